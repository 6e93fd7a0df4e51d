from benchmarks.tables import markdown_table


def test_a_markdown_table_has_a_header_a_rule_and_a_line_per_row() -> None:
    table = markdown_table(("engine", "ms"), [("eager", "200.0"), ("executorch", "70.0")])
    assert table.splitlines() == [
        "| engine | ms |",
        "| --- | ---: |",
        "| eager | 200.0 |",
        "| executorch | 70.0 |",
    ]


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    assert markdown_table(("a|b",), []).splitlines()[0] == "| a&#124;b |"
