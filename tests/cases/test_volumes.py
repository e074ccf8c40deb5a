"""A class per voxel, as people save it: trained, tested on a file, predicted; not refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dmrnet.cli import main


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, (6, 8, 8, 8))
    path = tmp_path_factory.mktemp("volumes") / "volume-labels.npz"
    t1 = (labels[:, None] + draw.normal(size=(6, 1, 8, 8, 8)) * 0.3).astype(np.float32)
    t2 = draw.normal(size=(6, 1, 8, 8, 8)).astype(np.float32)
    np.savez(path, t1=t1, t2=t2, y=labels)
    return str(path)


def test_a_file_is_trained_tested_and_predicted(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run's own test file is the one it was trained with, and scores are Dice."""
    run = str(tmp_path / "run")
    words = ["--method", "sf-md", "--method.network.width", "8", "--max-epochs", "1"]
    data = ["--data", "volumes", "--data.train", file, "--data.test", file]
    assert main(["fit", *data, *words, "--out", run]) == 0
    assert main(["evaluate", run]) == 0
    assert "Dice on test (6 samples)" in capsys.readouterr().out
    assert main(["predict", run, "--split", "test", "--out", str(tmp_path / "maps")]) == 0
    assert np.load(tmp_path / "maps" / "5.npy").shape == (8, 8, 8)


def test_other_data_sets_name_the_one_for_volumes(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A check says how it is trained; images say what they are not."""
    assert main(["data", "check", file]) == 0
    said = capsys.readouterr().out
    assert "voxels of class" in said
    assert "dmrnet fit --data volumes" in said
    words = ["fit", "--data", "images", "--data.train", file, "--out", str(tmp_path / "run")]
    assert main(words) == 2
    assert "use the data volumes (--data)" in capsys.readouterr().err
