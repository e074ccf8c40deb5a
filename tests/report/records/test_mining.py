"""Variance by epoch is averaged over runs, with combinations named in one order."""

from __future__ import annotations

from dmrnet.report.figures.variance_by_epoch import highest
from dmrnet.report.records.mining import read_variance_by_epoch


def test_variance_by_epoch(tmp_path, lines):
    for k, folder in enumerate(("one", "two")):
        lines(
            tmp_path / folder / "variance.jsonl",
            [
                {"epoch": epoch, "combination": name, "mean_variance": v + k, "hard": False}
                for epoch, row in enumerate([(5.0, 1.0, 2.0), (1.0, 3.0, 2.0)])
                for name, v in zip(("a", "b+a", "b"), row, strict=True)
            ],
        )
    (tmp_path / "none").mkdir()
    course = read_variance_by_epoch(
        [tmp_path / "one", tmp_path / "two", tmp_path / "none"], ("a", "b")
    )
    assert course == {
        "a": {1: 5.5, 2: 1.5},
        "a+b": {1: 1.5, 2: 3.5},
        "b": {1: 2.5, 2: 2.5},
    }
    assert highest(course, 2) == ["a+b", "b"]
