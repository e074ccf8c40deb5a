"""What tools/make_results.py writes of a search."""

import runpy
from pathlib import Path

MADE = runpy.run_path(str(Path(__file__).parents[1] / "tools" / "make_results.py"))


def trial(label: str, score: float | None, **settings: str) -> dict[str, object]:
    return {"label": label, "settings": settings, "score": score}


def test_what_all_systems_tried_stands_side_by_side() -> None:
    trials = [
        trial("sf-md", 0.5, lr="0.2"),
        trial("sf-md", 0.5004, lr="10"),
        trial("sf-md", float("nan"), lr="-1"),
        trial("dmr", None, lr="0.2"),
        trial("dmr", None, lr="10"),
        trial("dmr", float("nan"), lr="-1"),
    ]
    said, table = MADE["_tried"](trials, [7])
    assert "seed 7" in said
    assert table.splitlines() == [
        "|  | lr -1 | lr 0.2 | lr 10 |",
        "| --- | ---: | ---: | ---: |",
        "| sf-md | failed | 50.0 | **50.0** |",
        "| dmr | failed | failed | failed |",
    ]


def test_what_each_tried_of_its_own_has_a_line_each() -> None:
    trials = [
        trial("sf-md", 0.5, lr="0.2"),
        trial("dmr", 0.6, lr="0.2", size="64x64"),
        trial("dmr", 0.6, lr="0.2", size="3d"),
    ]
    said, table = MADE["_tried"](trials, [7, 8])
    assert "mean of seeds 7, 8" in said
    assert table.splitlines()[2:] == [
        "| sf-md | lr 0.2 | **50.0** |",
        "| dmr | lr 0.2 size 64x64 | **60.0** |",
        "| dmr | lr 0.2 size 3d | 60.0 |",
    ]
