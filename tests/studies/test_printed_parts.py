"""Printed values of regions stand next to the measured ones, by combination and on average."""

from __future__ import annotations

import json
from pathlib import Path

from tests.report.pages.tables.test_parts import COMBINATIONS, runs, value

from dmrnet.report.records.published import PublishedRow
from dmrnet.report.records.runs import read_runs
from dmrnet.report.summary.summary import summarise
from dmrnet.studies.plan import StudySystem
from dmrnet.studies.printed import for_report
from dmrnet.studies.printed_parts import part_tables

__all__ = ["runs"]


def printed(method: str, combination: str, metric: str, number: float) -> PublishedRow:
    return PublishedRow("A paper", method, "brats", "test", combination, metric, number)


def test_each_region_has_its_printed_values(runs: list[Path]) -> None:
    dice, distance = summarise(read_runs(runs, "test"), "test", "sf-md")
    systems = {
        name: StudySystem("brats", name, name, name, "paper", (), (), ())
        for name in ("sf-md", "rfnet")
    }
    rows = [
        printed("rfnet", "", "dice/WT", 0.8567),
        printed("rfnet", "t1", "dice/WT", 0.7123),
        printed("hemis", "", "dice/WT", 0.786),
    ]
    average, by_combination = part_tables(dice, rows, systems)
    assert average.header == ("System", "WT, as printed", "WT, measured")
    assert [row[1].text for row in average.rows] == ["-", "85.67"]
    assert by_combination.header == ("flair", "t1", "sf-md, WT", "rfnet, WT")
    last = by_combination.rows[-1]
    assert (last[0].text, last[3].below) == ("Average", "85.67 printed")
    below = [[cell.below for cell in row[2:]] for row in by_combination.rows[:-1]]
    assert below == [["", ""], ["", "71.23 printed"], ["", ""]]
    for name, row in zip(COMBINATIONS, by_combination.rows, strict=False):
        mean = sum(value("rfnet", seed, name, "WT") for seed in (0, 1)) / 2
        assert row[3].text.startswith(f"{100 * mean:.2f}")
    assert part_tables(distance, rows, systems) == []


def test_parts_are_no_published_systems_of_the_report(tmp_path: Path) -> None:
    facts = {"source": "A", "method": "rfnet", "dataset": "brats", "split": "test"}
    lines = [facts | {"combination": "", "metric": m, "value": 0.5} for m in ("dice/WT", "dice")]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (line,) = for_report([path], ["brats (year=2020)"]).splitlines()
    assert json.loads(line)["metric"] == "dice"
