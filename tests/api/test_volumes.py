"""Volumes end to end in Python: fit, open, score, predict, on complete and incomplete data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import dmrnet
from dmrnet.api.run import Run
from dmrnet.cli import main
from dmrnet.cli.predict.volumes import write_volumes
from dmrnet.data.volumes.cases import Frame
from dmrnet.engine.evaluate import evaluate_run
from dmrnet.engine.predict import predictable
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


def test_volumes_are_predicted_with_the_labels_of_training(run: Run) -> None:
    """In Python and by the command line, of any size, and their probabilities."""
    inputs, _ = made(2, 10)
    labels = run.predict({"flair": inputs["flair"]})
    assert labels.shape == (2, 10, 8, 8)
    items = [{"flair": inputs["flair"][i][:, : 8 + i]} for i in range(2)]
    several = run.predict(dmrnet.LazyDataset(items))
    assert [one.shape for one in several] == [(8, 8, 8), (9, 8, 8)]
    bad = [items[0], {"flair": inputs["flair"][0] * np.inf}, items[1]]
    skipped = run.predict(dmrnet.LazyDataset(bad), bad_rows="skip")
    assert skipped[1] is None
    assert np.array_equal(skipped[2], several[1])
    probabilities = run.predict_proba(dmrnet.LazyDataset(items))
    for one, labels in zip(probabilities, several, strict=True):
        assert np.allclose(one.sum(0), 1, atol=1e-5)
        assert np.array_equal(one.argmax(0), labels)


def test_predict_writes_a_file_for_each_volume(run: Run, tmp_path: Path) -> None:
    """Labels as arrays, their names, and which modalities each was predicted from."""
    inputs, _ = made(2, 10)
    np.savez(tmp_path / "new.npz", **inputs)
    out = tmp_path / "maps"
    words = ["predict", str(run.path), "--input", str(tmp_path / "new.npz"), "--out"]
    assert main([*words, str(out)]) == 0
    assert np.load(out / "0.npy").shape == (10, 8, 8)
    assert (out / "classes.csv").read_text().split() == ["value,class", "0,0", "1,1", "2,2"]
    listed = (out / "volumes.csv").read_text().splitlines()
    head = "file,sample,seen,voxels(0),voxels(1),voxels(2)"
    assert listed[0] == f"{head},voxels(all),voxels(core)"
    assert listed[2].startswith("1.npy,1,flair,")
    assert main([*words, str(tmp_path / "maps.npz")]) == 0
    with np.load(tmp_path / "maps.npz") as saved:
        assert np.array_equal(saved["predicted"][0], np.load(out / "0.npy"))


def test_a_case_is_put_back_where_it_was_cut_from(run: Run, tmp_path: Path) -> None:
    """NIfTI files have the source's size, axes, affine matrix and labels."""
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")
    finished = open_finished(run.path)
    inputs, y = made(1, 10)
    rows = finished.read(dmrnet.MultimodalDataset(inputs, y), need_target=False)
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    rows.frame = lambda _: Frame((14, 12, 16), (1, 2, 3), affine, (0, 1, 4), (2, 1, 0))
    found = torch.ones(1, 10, 8, 8, dtype=torch.uint8)
    found[0, 0, 0, 0] = 2
    rows.samples = ["case"]
    write_volumes(tmp_path, predictable(finished, rows, None, "case"), [found])
    image = nibabel.load(tmp_path / "case.nii.gz")
    assert image.shape == (16, 12, 14)
    assert np.array_equal(image.affine, affine)
    labels = np.asarray(image.dataobj)
    assert labels[3, 2, 1] == 4
    assert labels.sum() == 10 * 8 * 8 + 3
    assert "4,2" in (tmp_path / "classes.csv").read_text()


def test_what_is_not_there_for_volumes_says_so(run: Run, tmp_path: Path) -> None:
    """Export and tiles are refused by name, without a traceback."""
    with pytest.raises(ValueError, match="volume"):
        run.export(tmp_path / "graph.pt2")
    inputs, y = made(2)
    with pytest.raises(ValueError, match="tile is for images"):
        evaluate_run(open_finished(run.path), dmrnet.MultimodalDataset(inputs, y), tile=16)
