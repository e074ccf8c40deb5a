"""Volumes end to end in Python: fit, open, score, predict, on complete and incomplete data."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import dmrnet
from dmrnet.api.run import Run
from dmrnet.engine.run.finished import open_run as open_finished
from dmrnet.report.records.predictions import read_label_maps

REGIONS = {"all": "1+2", "core": "2"}
TINY = {
    "method": dmrnet.method("dmrnet").recipe("best", network=dmrnet.nn.Network(width=8)),
    "max_epochs": 1,
    "batch_size": 4,
}


def made(n: int, side: int = 8) -> tuple[dict[str, Any], Any]:
    draw = np.random.default_rng(n)
    y = np.zeros((n, side, 8, 8), dtype=np.int64)
    y[:, 1:5, 1:5, 1:5], y[:, 3:4, 3:5, 3:5] = 1, 2
    flair = (y[:, None] + draw.normal(0, 0.3, y[:, None].shape)).astype(np.float32)
    t1 = draw.normal(0, 1, flair.shape).astype(np.float32)
    t1[-1] = np.nan
    return {"flair": flair, "t1": t1}, y


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    inputs, y = made(4)
    data = dmrnet.MultimodalDataset(
        inputs, y, volumes={"regions": REGIONS, "patches": 1, "spacing": (1, 1, 2)}
    )
    out = tmp_path_factory.mktemp("runs") / "volumes"
    return dmrnet.fit(data, out=out, **TINY)


def test_a_run_is_scored_by_dice_of_regions(run: Run) -> None:
    """Rows have Dice of regions and classes by case, and HD95 in the unit of the spacing."""
    inputs, y = made(3, 10)
    scores = run.evaluate(dmrnet.MultimodalDataset(inputs, y))
    rows = [json.loads(line) for line in (run.path / "results.jsonl").read_text().splitlines()]
    test = {(r["combination"], r["metric"]): r for r in rows if r["split"] == "test"}
    assert {r["metric"] for r in rows if r["split"] == "val"} >= {"dice", "dice/all", "dice/1"}
    full = test["flair+t1", "dice"]
    assert full["n"] == 2
    mean = np.mean([test["flair+t1", f"dice/{name}"]["value"] for name in REGIONS])
    assert full["value"] == pytest.approx(mean)
    assert test["flair", "hd95/core"]["n"] == 3
    assert ("flair", "dice_complete") in test
    with np.load(run.path / "predictions.npz") as saved:
        assert saved["dice"][0].mean() == pytest.approx(test["flair", "dice"]["value"])
        assert saved["hd95"].shape == (3, 3, 2)
    maps = read_label_maps(run.path / "pictures.npz")
    assert maps.truth.shape == (3, 8, 8)
    assert maps.inputs["flair"].shape == (3, 1, 8, 8)
    assert "Dice" in str(scores)


def test_an_opened_run_keeps_regions(run: Run) -> None:
    """Regions are part of the run's task."""
    opened = open_finished(run.path)
    assert opened.task.regions == (("all", (1, 2)), ("core", (2,)))
    assert opened.task.axes == 3
