from benchmarks.figures.growth import GROWTH


def test_the_text_says_what_was_tracked_for_so_long() -> None:
    long = {"eager-fp32": {"memory_ratio": 1.002, "time_ratio": 1.013}}
    text = GROWTH.markdown({"frames": 1000, "threads": 2, "long": long, "sweeps": {}})
    assert "The 1,000 frames are of 96x160, with 2 objects." in text
