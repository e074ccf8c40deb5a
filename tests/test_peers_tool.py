"""The page of `dmrnet study peers`: kept rows, wins, losses and draws."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from dmrnet.peers.runs import make_peers
from dmrnet.settings.config import parse_run

TOOL = runpy.run_path(str(Path(__file__).parents[1] / "tools" / "peers.py"))
BY_SEED = {
    # Accuracy of seeds 0, 1, 2 with a alone, b alone, both, and with 30 % missing.
    "experts": [(0.80, 0.60, 0.90, 0.85), (0.82, 0.62, 0.92, 0.86), (0.81, 0.61, 0.91, 0.88)],
    "sf-md": [(0.70, 0.50, 0.80, 0.75), (0.72, 0.52, 0.82, 0.76), (0.71, 0.51, 0.81, 0.77)],
    "boosting": [(0.70, 0.50, 0.80, 0.86), (0.73, 0.52, 0.82, 0.85), (0.71, 0.53, 0.81, 0.87)],
}


def rows(method: str, seed: int, values: tuple[float, ...]):
    head = {"method": method, "dataset": "mine (missing=0.3)", "seed": seed, "split": "test"}
    for name, value in zip(("a", "b", "a+b"), values, strict=False):
        yield {**head, "metric": "accuracy", "combination": name, "value": value}
    yield {**head, "metric": "accuracy_incomplete", "combination": "", "value": values[3]}
    yield {**head, "metric": "train_cpu_seconds", "combination": "", "value": 1.5}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows").mkdir()
    lines = [
        json.dumps(row)
        for method, seeds in BY_SEED.items()
        for seed, values in enumerate(seeds)
        for row in rows(method, seed, values)
    ]
    (tmp_path / "rows" / "mine.jsonl").write_text("\n".join(lines))
    return tmp_path


def test_numbers_are_those_of_the_rows(folder: Path) -> None:
    _, systems = TOOL["scores_of"](folder / "rows" / "mine.jsonl")
    found = systems["experts"]
    assert found["average"].values == pytest.approx([2.3 / 3, 2.36 / 3, 2.33 / 3])
    assert found["worst"].values == (0.60, 0.62, 0.61)
    assert found["full"].values == (0.90, 0.92, 0.91)


def test_the_page_says_wins_and_draws_against_the_best_of_the_others(folder: Path) -> None:
    page = TOOL["page"](folder)
    # 85, 86, 88 against 86, 85, 87: +0.33 ± 0.67 is chance.
    assert "not told apart on mine (`experts` against `boosting` +0.3 [" in page
    assert "ahead beyond chance on mine (`experts` against `boosting` +9." in page
    assert "| **experts** | 3 | 86.3 ± 0.9 (" in page
    assert "3 seeds" in page.splitlines()[2]


def test_a_loss_is_said(folder: Path) -> None:
    path = folder / "rows" / "mine.jsonl"
    path.write_text(path.read_text().replace('"experts"', '"forest-late"'))
    page = TOOL["page"](folder)
    assert "behind beyond chance on mine (`sf-md` against `forest-late`" in page


def test_what_is_finished_is_kept_with_its_incomplete_score(tmp_path: Path) -> None:
    settings = parse_run(["--data", "cancer", "--data.rows", "60", "--data.missing", "0.3"])
    make_peers(settings, tmp_path / "out" / "peers", ["logistic-late"])
    TOOL["keep"](tmp_path / "out", tmp_path / "kept")
    (path,) = (tmp_path / "kept" / "rows").iterdir()
    assert path.name == "cancer.jsonl"
    kept = [json.loads(line) for line in path.read_text().splitlines()]
    assert sum(row["metric"] == "accuracy_incomplete" for row in kept) == 1
    assert sum(row["metric"] == "accuracy" for row in kept) == 7
    assert {row["seed"] for row in kept} == {0}
