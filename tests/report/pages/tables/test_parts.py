"""Dice and HD95 of regions: in a table of their own, averaged as the score itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dmrnet.report.build import build_report
from dmrnet.report.pages.tables.parts import part_block
from dmrnet.report.records.runs import read_runs
from dmrnet.report.summary.summary import summarise

COMBINATIONS = ("flair", "t1", "flair+t1")
REGIONS = ("WT", "NCR/NET")


def value(method: str, seed: int, combination: str, region: str) -> float:
    return (
        0.5
        # A lead that differs between seeds: one without spread is not bold.
        + (0.1 + 0.002 * seed) * (method == "rfnet")
        + 0.01 * seed
        + 0.02 * COMBINATIONS.index(combination)
        + 0.2 * (region == "WT")
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Rows of two methods with two seeds, of Dice and HD95, in files."""
    folder, paths = tmp_path_factory.mktemp("runs"), []
    for method in ("sf-md", "rfnet"):
        for seed in (0, 1):
            facts = {"run": f"{method}-{seed}", "method": method, "recipe": "best", "settings": {}}
            facts |= {"dataset": "brats", "split": "test", "seed": seed}
            rows = []
            for name in COMBINATIONS:
                of = {region: value(method, seed, name, region) for region in REGIONS}
                metrics = {"dice": sum(of.values()) / 2, "hd95": 10 * (1 - of["WT"])}
                metrics |= {f"dice/{region}": of[region] for region in REGIONS}
                metrics |= {"hd95/WT": 10 * (1 - of["WT"]), "dice/WT_complete": 0.1}
                rows += [
                    facts | {"combination": name, "metric": key, "value": number, "n": 57}
                    for key, number in metrics.items()
                ]
            paths.append(folder / f"{method}-{seed}.jsonl")
            paths[-1].write_text("".join(json.dumps(row) + "\n" for row in rows))
    return paths


def test_regions_are_averaged_over_combinations(runs: list[Path]) -> None:
    dice, distance = summarise(read_runs(runs, "test"), "test", "sf-md")
    assert (dice.score.name, distance.score.name) == ("dice", "hd95")
    assert not dice.ignored
    table = part_block(dice).table
    assert table.header == ("System", "WT", "NCR/NET")
    by_system = {row[0].text: row[1:] for row in table.rows}
    for method, cells in by_system.items():
        for region, cell in zip(REGIONS, cells, strict=True):
            seeds = [
                sum(value(method, seed, name, region) for name in COMBINATIONS) / 3
                for seed in (0, 1)
            ]
            assert cell.text.startswith(f"{50 * sum(seeds):.2f}")
            full = sum(value(method, seed, "flair+t1", region) for seed in (0, 1)) / 2
            assert cell.below == f"all {100 * full:.2f}"
            assert cell.best == (method == "rfnet")
    assert part_block(dice).reading.startswith("Percent; ")
    # In millimetres, not in percent.
    (first, *_) = part_block(distance).table.rows
    expected = 10 * (
        1 - sum(value(first[0].text, s, c, "WT") for s in (0, 1) for c in COMBINATIONS) / 6
    )
    assert first[1].text.startswith(f"{expected:.2f}")


@pytest.mark.usefixtures("no_pictures")
def test_the_page_and_markdown_show_regions(runs: list[Path], tmp_path: Path) -> None:
    report = build_report(runs, tmp_path, "sf-md", "test")
    page = report.page.read_text(encoding="utf-8")
    assert "Dice by region" in page
    assert "HD95 by region" in page
    assert "### Dice by region" in (tmp_path / "report.md").read_text(encoding="utf-8")
