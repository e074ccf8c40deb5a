"""A run continues on the data that it began with and is tested on its own, or is refused."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.engine.runs import settings_in, write_arrays

from dmrnet.engine.evaluate import evaluate_run
from dmrnet.engine.fit import fit_run
from dmrnet.engine.run.finished import open_run
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.training.checkpoints import Checkpoints
from dmrnet.engine.training.trainee import Progress
from dmrnet.report.records.runs import read_runs
from dmrnet.settings.config import RunSettings


def change(path: Path, name: str = "age") -> None:
    """Change one number of a file of arrays."""
    with np.load(path) as file:
        arrays = dict(file)
    flat = arrays[name].reshape(len(arrays[name]), -1)
    row = np.flatnonzero(~np.isnan(flat).any(1))[-1]
    flat[row, 0] += 0.125
    np.savez(path, **arrays)


def interrupted(settings: RunSettings, out: Path, epoch: int = 3) -> None:
    """Train until Ctrl-C is pressed while an epoch ends, counted from 1."""

    def press(progress: Progress) -> None:
        if progress.epoch == epoch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_run(settings, out, press)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_run_does_not_go_on_with_other_data(tmp_path: Path, split: str) -> None:
    settings = settings_in(tmp_path, epochs=3)
    interrupted(settings, tmp_path / "run", epoch=2)
    change(tmp_path / f"{split}.npz")
    with pytest.raises(ValueError, match=f"the .*{split}.* samples with which .*run began"):
        fit_run(settings, tmp_path / "run")


def test_a_finished_run_notices_other_data(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, epochs=1)
    assert fit_run(settings, tmp_path / "run")
    assert not fit_run(settings, tmp_path / "run")
    change(tmp_path / "train.npz")
    with pytest.raises(ValueError, match="samples with which"):
        fit_run(settings, tmp_path / "run")
    (tmp_path / "train.npz").unlink()
    assert not fit_run(settings, tmp_path / "run")


def test_other_test_samples_are_tested_on_by_name_only(tmp_path: Path) -> None:
    fit_run(settings_in(tmp_path, epochs=1), tmp_path / "run")
    evaluate_run(open_run(tmp_path / "run"))
    change(tmp_path / "test.npz")
    with pytest.raises(ValueError, match=r"expected the test samples .*--test FILE"):
        evaluate_run(open_run(tmp_path / "run"))
    evaluate_run(open_run(tmp_path / "run"), str(tmp_path / "test.npz"))
    (tmp_path / "test.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"test\.npz, which does not exist; .*--test FILE"):
        evaluate_run(open_run(tmp_path / "run"))


def test_the_fingerprint_follows_every_number_label_and_absence(tmp_path: Path) -> None:
    write_arrays(tmp_path)
    settings = settings_in(tmp_path)
    first = settings.data.load(0).train.fingerprint()
    assert settings.data.load(0).train.fingerprint() == first
    # Before and after standardising it is the same.
    assert settings.data.raw(0).train.fingerprint() == first
    seen = {first}
    for name in ("wave", "face", "age"):
        change(tmp_path / "train.npz", name)
        seen.add(settings.data.load(0).train.fingerprint())
    with np.load(tmp_path / "train.npz") as file:
        arrays = dict(file)
    arrays["y"][0] = (arrays["y"][0] + 1) % 3
    np.savez(tmp_path / "train.npz", **arrays)
    seen.add(settings.data.load(0).train.fingerprint())
    arrays["age"][1] = np.nan
    np.savez(tmp_path / "train.npz", **arrays)
    seen.add(settings.data.load(0).train.fingerprint())
    assert len(seen) == 6


def test_ctrl_c_costs_no_finished_epoch(tmp_path: Path) -> None:
    # The epochs are far shorter than the time between two checkpoints.
    interrupted(settings_in(tmp_path), tmp_path / "run", epoch=4)
    found = Checkpoints(RunFolder(tmp_path / "run")).existing()
    assert [checkpoint.epoch for checkpoint in found] == [2]
    epochs: list[int] = []
    fit_run(settings_in(tmp_path), tmp_path / "run", lambda progress: epochs.append(progress.epoch))
    assert epochs == [4, 5]


def test_sigint_costs_no_finished_epoch(tmp_path: Path) -> None:
    def press(progress: Progress) -> None:
        if progress.epoch == 4:
            signal.raise_signal(signal.SIGINT)

    # A background job of a shell ignores Ctrl-C, and its children inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            fit_run(settings_in(tmp_path), tmp_path / "run", press)
    finally:
        signal.signal(signal.SIGINT, before)
    assert Checkpoints(RunFolder(tmp_path / "run")).existing()[-1].epoch >= 2


@pytest.mark.slow
def test_the_report_keeps_files_of_one_name_apart(tmp_path: Path) -> None:
    runs = []
    for place in ("here", "there"):
        folder = tmp_path / place / "set"
        folder.mkdir(parents=True)
        for seed in "01":
            fit_run(settings_in(folder, "--seed", seed, epochs=1), tmp_path / f"{place}{seed}")
            runs.append(tmp_path / f"{place}{seed}")
    assert len({run.rows[0].dataset for run in read_runs(runs, "val")}) == 1
    change(tmp_path / "there" / "set" / "val.npz")
    settings = settings_in(tmp_path / "there" / "set", "--seed", "2", epochs=1)
    fit_run(settings, tmp_path / "there2")
    runs.append(tmp_path / "there2")
    named = [run.rows[0].dataset for run in read_runs(runs, "val")]
    assert named[0] == named[1] == named[2] == named[3]
    assert named[4] != named[0]
    assert named[0].startswith("arrays set/train.npz")


def typed(folder: Path, *flags: str) -> RunSettings:
    """Return settings with paths relative to a folder."""
    found = settings_in(folder, *flags, epochs=2)
    files = {part: os.path.relpath(folder / f"{part}.npz") for part in ("train", "val", "test")}
    return replace(found, data=replace(found.data, **files))


def scored(run: Path) -> list[dict[str, object]]:
    evaluate_run(open_run(run))
    return [{**row, "run": ""} for row in RunFolder(run).rows() if row["split"] == "test"]


def test_a_run_finds_its_files_from_anywhere_and_after_a_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    (project / "set").mkdir(parents=True)
    monkeypatch.chdir(project)
    fit_run(typed(project / "set"), Path("runs/one"))
    before = scored(Path("runs/one"))
    # From another folder, and the run moved alone.
    monkeypatch.chdir(tmp_path)
    assert scored(project / "runs/one") == before
    moved = Path(shutil.move(project / "runs" / "one", tmp_path / "alone"))
    assert scored(moved) == before
    shutil.move(moved, project / "runs" / "one")
    # The project moved as a whole.
    shutil.move(project, tmp_path / "elsewhere")
    assert scored(tmp_path / "elsewhere/runs/one") == before
    # The content of the files is checked there too.
    change(tmp_path / "elsewhere/set/test.npz")
    with pytest.raises(ValueError, match="expected the test samples with which"):
        scored(tmp_path / "elsewhere/runs/one")
    (tmp_path / "elsewhere/set/test.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"test\.npz, which does not exist; .*--test FILE"):
        scored(tmp_path / "elsewhere/runs/one")


def test_a_run_goes_on_if_its_data_have_moved(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    interrupted(settings_in(here), tmp_path / "run")
    shutil.move(here, there)
    epochs: list[int] = []
    assert fit_run(
        settings_in(there), tmp_path / "run", lambda progress: epochs.append(progress.epoch)
    )
    assert epochs == [3, 4, 5]
    assert str(there / "train.npz") in (tmp_path / "run" / "config.yaml").read_text()
    # A finished run does not need them, but other paths to missing files are refused.
    assert not fit_run(settings_in(there), tmp_path / "run")
    settings = settings_in(there)
    nowhere = replace(settings, data=replace(settings.data, train=str(there / "trian.npz")))
    with pytest.raises(FileNotFoundError, match=r"did you mean 'train\.npz'"):
        fit_run(nowhere, tmp_path / "run")
    without = replace(settings, data=replace(settings.data, test=None))
    with pytest.raises(ValueError, match=r"other settings: data\.test"):
        fit_run(without, tmp_path / "run")
