import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from shutil import copytree

import pytest

from benchmarks.jobs import Workload, bundle_folder
from benchmarks.noise import Interval
from benchmarks.plain import PLAIN, Comparison, compare, main

PARTS = ("read_memory", "segment")
EVEN = Interval(1, 1, 1)


def test_a_bundle_and_two_copies_are_called_in_every_order_and_loaded_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.plain.sleep", lambda seconds: None)
    order: list[str] = []
    loads = {"bundle": 0, "plain": 0}

    def load(name: str) -> Callable[[], None]:
        loads[name] += 1
        copy = f"{name} {loads[name]}"
        return lambda: order.append(copy)

    found = compare(lambda: load("bundle"), lambda: load("plain"), turns=18)
    turns = [tuple(order[start : start + 3]) for start in range(0, len(order), 3)]
    assert loads == {"bundle": 3, "plain": 6}
    for round in range(3):
        copies = (f"bundle {round + 1}", f"plain {2 * round + 1}", f"plain {2 * round + 2}")
        timed = turns[9 * round + 3 : 9 * (round + 1)]
        assert set(timed) == set(permutations(copies))
    for interval in (found.ratio, found.twins):
        assert interval.low <= interval.value <= interval.high


@pytest.mark.parametrize(
    ("ratio", "twins", "slower"),
    [
        (Interval(1.1, 1.02, 1.2), Interval(1, 0.99, 1.01), True),
        (Interval(1.1, 1.02, 1.2), Interval(1, 0.99, 1.03), False),
        (Interval(1.1, 1.02, 1.2), Interval(1, 0.97, 1.01), False),
        (Interval(1.1, 0.98, 1.2), Interval(1, 1, 1), False),
    ],
)
def test_slower_is_what_two_copies_of_the_plain_conversion_cannot_explain(
    ratio: Interval, twins: Interval, slower: bool
) -> None:
    assert Comparison(11, 10, ratio, twins).slower == slower


@pytest.mark.slow
@pytest.mark.executorch
@pytest.mark.tflite
@pytest.mark.onnx
def test_components_of_every_target_are_compared(
    random_checkpoint: Path, bundle_of: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for target in PLAIN:
        copytree(bundle_of(target), bundle_folder(tmp_path / "bundles", target, "fp32", Workload((64, 96))))
    arguments = ["--checkpoint", str(random_checkpoint), "--size", "64x96", "--turns", "3", "--threads", "1"]
    code = main([*arguments, "--components", ",".join(PARTS), "--output", str(tmp_path)])
    targets = json.loads((tmp_path / "plain.json").read_text())["targets"]
    assert set(targets) == set(PLAIN)
    for parts in targets.values():
        assert set(parts) == set(PARTS)
        assert all(one["bundle_ms"] > 0 and one["plain_ms"] > 0 for one in parts.values())
    slower = [
        f"{name} {component}"
        for name, parts in targets.items()
        for component, one in parts.items()
        if one["ratio"]["low"] > max(one["twins"]["high"], 1 / one["twins"]["low"])
    ]
    printed = capsys.readouterr().out
    assert "plain, ms" in printed
    last = printed.strip().splitlines()[-1]
    assert last.endswith(f"two copies of it differ: {', '.join(slower)}" if slower else "plain.json")
    assert code == bool(slower)


@pytest.mark.parametrize(("high", "code"), [(1.2, 1), (1.02, 0)])
def test_what_is_slower_is_named(
    high: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    even, slow = Comparison(1, 1, EVEN, EVEN), Comparison(high, 1, Interval(high, high, high), Interval(1, 0.97, 1.01))
    found = {"onnx": {"segment": slow, "read_memory": even}}
    monkeypatch.setattr("benchmarks.plain.compare_targets", lambda *_: found)
    assert main(["--output", str(tmp_path)]) == code
    assert ("slower than plain by more than two copies of it differ: onnx segment\n" in capsys.readouterr().out) == code


@pytest.mark.parametrize(("option", "value"), [("--targets", "coreml"), ("--components", "segmnt")])
def test_a_name_that_is_none_is_one_line(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option, value]) == 2
    assert f"{option} '{value}'" in capsys.readouterr().err
