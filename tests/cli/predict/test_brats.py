"""Cases of BraTS from NIfTI files to NIfTI files: prepared, trained on, scored and predicted."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.data.made import brats as made
from tests.data.made.prepared import prepared

from dmrnet.engine.evaluate import evaluate_run
from dmrnet.engine.fit import fit_run
from dmrnet.engine.predict import predictable
from dmrnet.engine.predict_maps import label_maps
from dmrnet.engine.run.finished import open_run
from dmrnet.report.records.predictions import read_label_maps
from dmrnet.settings.config import parse_run

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

nib = pytest.importorskip("nibabel")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("brats") / "run"
    flags = ["--data", "brats", "--data.root", prepared("brats"), "--data.patch", "16"]
    flags += ["--data.test-share", "0.34", "--data.val-share", "0.3", "--data.patches", "1"]
    flags += ["--method", "sf-md", "--method.network.width", "4", "--max-epochs", "1"]
    fit_run(parse_run([*flags, "--accelerator", "cpu", "--select", "last"]), folder)
    return folder


def test_volumes_are_scored_and_predicted_in_the_frame_of_their_files(
    cli: Cli, run: Path, tmp_path: Path
) -> None:
    """Cases are narrower than a patch along an axis, and differ in size."""
    opened = open_run(run, "cpu")
    result, _ = evaluate_run(opened)
    assert result.scored.shape == (15, 2)
    rows = opened.folder.rows()
    metrics = {row["metric"] for row in rows if row["split"] == "test"}
    assert {"dice", "dice/WT", "dice/TC", "dice/ET", "hd95", "hd95/WT"} <= metrics
    maps = read_label_maps(run / "pictures.npz")
    samples = opened.samples("test").samples
    for row, depth in zip(maps.index, maps.slices, strict=True):
        assert maps.title(row) == f"slice {depth} of {samples[row]}"
    out = tmp_path / "out"
    output = cli("predict", run, "--split", "test", "--out", out)
    assert output.code == 0, output.err
    assert output.last == f"2 volumes predicted: {out}"
    dataset = opened.samples("test")
    found = predictable(opened, dataset, None, "test")
    with (out / "volumes.csv").open(newline="") as file:
        listed = {row["sample"]: row for row in csv.DictReader(file)}
    for index, (labels,) in label_maps(opened, dataset, found.rows, found.visible):
        (row,) = index.tolist()
        name = dataset.samples[row]
        image = nib.load(out / f"{name}.nii.gz")
        assert image.shape == made.SHAPE
        assert np.array_equal(image.affine, made.AFFINE)
        case = [folder.split("/")[-1] for folder in made.CASES[2020]].index(name)
        written = np.asarray(image.dataobj)
        cut = np.array((0, 1, 2, 4))[labels.numpy()].transpose(2, 1, 0)
        assert np.array_equal(written[made.brain(case)], cut)
        # What was scored is what is written.
        at = result.index.tolist().index(row)
        truth = made.labels(case)[made.brain(case)]
        predicted = labels.numpy().transpose(2, 1, 0)
        confusion = np.zeros((4, 4), dtype=int)
        np.add.at(confusion, (truth.ravel(), predicted.ravel()), 1)
        assert np.array_equal(result.counts[-1, at], confusion)
        assert int(listed[name]["voxels(WT)"]) == (written > 0).sum()
        assert int(listed[name]["voxels(background)"]) == (written == 0).sum()


def test_a_folder_of_new_cases_is_predicted(cli: Cli, run: Path, tmp_path: Path) -> None:
    new = tmp_path / "new" / "BraTS20_Validation_001"
    for name in ("flair", "t2"):
        made.write(new / f"{new.name}_{name}.nii.gz", made.intensities(8, name))
    output = cli("predict", run, "--input", tmp_path / "new", "--out", tmp_path / "out")
    assert output.code == 0, output.err
    image = nib.load(tmp_path / "out" / "BraTS20_Validation_001.nii.gz")
    assert set(np.unique(image.dataobj)) <= {0, 1, 2, 4}
    listed = (tmp_path / "out" / "volumes.csv").read_text()
    assert "BraTS20_Validation_001,flair+t2," in listed
    output = cli("predict", run, "--input", tmp_path / "new")
    assert output.code == 2
    assert "label maps need --out DIR" in output.err


@pytest.mark.slow
def test_a_folder_of_labelled_cases_is_tested_on(cli: Cli, run: Path, tmp_path: Path) -> None:
    made.make(tmp_path / "new", 2018)
    made.file_of(tmp_path / "new", 2018, 0, "t1").unlink()
    output = cli("evaluate", run, "--test", tmp_path / "new")
    assert output.code == 0, output.err
    rows = [row for row in open_run(run, "cpu").folder.rows() if row["split"] == "test"]
    counts = {row["combination"]: row["n"] for row in rows if row["metric"] == "dice"}
    assert counts["t1"] == 5
    assert counts["flair+t1ce+t2"] == 6
    made.file_of(tmp_path / "new", 2018, 1, "labels").unlink()
    output = cli("evaluate", run, "--test", tmp_path / "new")
    assert output.code == 2
    assert "Brats18_CBICA_AAB_1: labels (Brats18_CBICA_AAB_1_seg.nii.gz) is missing" in output.err


def test_a_damaged_case_refuses_or_is_skipped(cli: Cli, run: Path, tmp_path: Path) -> None:
    """As asked; the others are predicted, and the skipped one is named with its reason."""
    made.make(tmp_path / "new", 2018)
    file = made.file_of(tmp_path / "new", 2018, 1, "t1")
    file.write_bytes(file.read_bytes()[:200])
    words = ("predict", run, "--input", tmp_path / "new", "--out", tmp_path / "out")
    output = cli(*words)
    assert output.code == 2
    assert "Brats18_CBICA_AAB_1: t1 (Brats18_CBICA_AAB_1_t1.nii.gz)" in output.err
    output = cli(*words, "--bad-rows", "skip")
    assert output.code == 0, output.err
    assert "Brats18_CBICA_AAB_1): skipped: t1 (Brats18_CBICA_AAB_1_t1.nii.gz)" in output.err
    listed = (tmp_path / "out" / "volumes.csv").read_text().splitlines()
    assert listed[-1].startswith(",Brats18_CBICA_AAB_1,,")
    assert len(list((tmp_path / "out").glob("*.nii.gz"))) == len(listed) - 2 == 5
    output = cli(*words[:-1], tmp_path / "two", "--data.absent", "t1=0")
    assert output.code == 2
    assert "a modality without a file is absent" in output.err


def test_regions_are_in_the_terminal(cli: Cli, run: Path) -> None:
    output = cli("evaluate", run)
    assert output.code == 0, output.err
    lines = [line.split() for line in output.out.splitlines()]
    assert [line[0] for line in lines if line and line[0] in ("WT", "TC", "ET")] == [
        "WT",
        "TC",
        "ET",
    ]
    assert "Dice, average  Dice, all modalities  HD95, average  HD95, all modalities" in output.out
    output = cli(
        "data", "show", "brats", "--data.root", prepared("brats"), "--data.val-share", ".3"
    )
    assert "voxels of class" in output.out
