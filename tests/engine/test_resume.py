"""A killed run ends with the same bits as an undisturbed one, wherever it was killed."""

from __future__ import annotations

import logging
import os
import pickle
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.engine.runs import metrics_of, result_of, rows_of, settings_in
from tests.forked import start

from dmrnet.engine import fit as module
from dmrnet.engine.fit import fit_run
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.training.checkpoints import Checkpoints
from dmrnet.engine.training.trainee import Progress, Trainee

EPOCHS = 4
LONG = 12
"""Epochs of a training that is killed by a signal."""


class KilledError(Exception):
    """Stands for a kill, without the seconds of a new process."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data and an undisturbed run."""
    folder = tmp_path_factory.mktemp("whole")
    fit_run(settings_in(folder, epochs=EPOCHS), folder / "run")
    return folder


def after(epoch: int) -> Callable[[Progress], None]:
    """Kill when an epoch's records are written and its checkpoint is not."""

    def report(progress: Progress) -> None:
        if progress.epoch == epoch:
            raise KilledError

    return report


@pytest.mark.parametrize(
    ("every", "epochs"),
    [
        pytest.param(0.0, (1,), id="each epoch, the first", marks=pytest.mark.slow),
        pytest.param(0.0, (2, 3, 4), id="each epoch, killed thrice"),
        pytest.param(1e9, (3,), id="no epoch but the last"),
        pytest.param(1e9, (4,), id="no epoch but the last, after it", marks=pytest.mark.slow),
    ],
)
def test_killed_between_records_and_checkpoint(
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    every: float,
    epochs: tuple[int, ...],
) -> None:
    monkeypatch.setattr(Checkpoints, "every", every)
    for epoch in epochs:
        with pytest.raises(KilledError):
            fit_run(settings_in(whole, epochs=EPOCHS), tmp_path / "run", after(epoch))
    seen: list[int] = []
    fit_run(settings_in(whole, epochs=EPOCHS), tmp_path / "run", lambda p: seen.append(p.epoch))
    assert seen == list(range(epochs[-1] if every == 0 else 1, EPOCHS + 1))
    assert result_of(tmp_path / "run") == result_of(whole / "run")


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(("--ema", "0"), marks=pytest.mark.slow),
        ("--optimizer", "adamw"),
        pytest.param(("--select", "last"), marks=pytest.mark.slow),
    ],
)
def test_killed_in_the_middle_of_an_epoch(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    monkeypatch.setattr(Checkpoints, "every", 0.0)
    fit_run(settings_in(whole, *flags, epochs=EPOCHS), tmp_path / "unkilled")
    step = Trainee.training_step

    def killed(self: Trainee, batch: object, batch_idx: int) -> torch.Tensor:
        if (self.current_epoch, batch_idx) == (2, 2):
            raise KilledError
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(Trainee, "training_step", killed)
        with pytest.raises(KilledError):
            fit_run(settings_in(whole, *flags, epochs=EPOCHS), tmp_path / "run")
    fit_run(settings_in(whole, *flags, epochs=EPOCHS), tmp_path / "run")
    assert result_of(tmp_path / "run") == result_of(tmp_path / "unkilled")


def test_killed_after_the_last_epoch(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_final_scores", killed)
        with pytest.raises(KilledError):
            fit_run(settings_in(whole, epochs=EPOCHS), tmp_path / "run")
    seen: list[Progress] = []
    assert fit_run(settings_in(whole, epochs=EPOCHS), tmp_path / "run", seen.append)
    assert seen == [], "an epoch ran again"
    assert result_of(tmp_path / "run") == result_of(whole / "run")


def test_sigterm_saves_the_epoch(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler sends SIGTERM before it ends a job."""
    monkeypatch.setattr(Checkpoints, "every", 1e9)

    def ask(progress: Progress) -> None:
        if progress.epoch == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit, match="143"):
        fit_run(settings_in(whole, epochs=EPOCHS), tmp_path / "run", ask)
    seen: list[int] = []
    fit_run(settings_in(whole, epochs=EPOCHS), tmp_path / "run", lambda p: seen.append(p.epoch))
    assert seen == [3, 4]
    assert result_of(tmp_path / "run") == result_of(whole / "run")


def train_on(data: str, run: str, every: str) -> None:
    """Train in a process that is going to be killed."""
    Checkpoints.every = float(every)
    fit_run(settings_in(Path(data), epochs=LONG), Path(run))


def test_killed_for_real_at_a_random_moment(tmp_path: Path) -> None:
    fit_run(settings_in(tmp_path, epochs=LONG), tmp_path / "whole")
    draw = random.Random(time.time_ns())
    moment, every = draw.randint(1, LONG - 5), draw.choice(["0", "0.3"])
    killed = start(
        "tests.engine.test_resume:train_on",
        *(str(tmp_path), str(tmp_path / "run"), every),
        streams=tmp_path / "killed",
    )
    metrics = RunFolder(tmp_path / "run").metrics
    until = time.monotonic() + 120
    while not metrics.is_file() or f"\n{moment}," not in metrics.read_text():
        assert killed.exitcode is None, (tmp_path / "killed.err").read_text()
        assert time.monotonic() < until
        time.sleep(0.005)
    time.sleep(draw.random() * 0.05)
    killed.kill()
    killed.join()
    assert not RunFolder(tmp_path / "run").read_facts()["finished"]
    fit_run(settings_in(tmp_path, epochs=LONG), tmp_path / "run")
    assert result_of(tmp_path / "run") == result_of(tmp_path / "whole"), (moment, every)
    epochs = [epoch for epoch, name, _ in metrics_of(metrics) if name == "loss"]
    assert epochs == list(range(LONG))
    rows = [(r["epoch"], r["combination"]) for r in rows_of(RunFolder(tmp_path / "run").variance)]
    assert len(set(rows)) == len(rows)
    assert {epoch for epoch, _ in rows} == set(range(LONG))


@pytest.fixture(scope="module")
def stopped(whole: Path) -> Path:
    """A run that was stopped after three epochs, to be copied."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "every", 0.0)
        with pytest.raises(KilledError):
            fit_run(settings_in(whole, epochs=EPOCHS), whole / "stopped", after(4))
    return whole / "stopped"


def stopped_run(stopped: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """Copy the stopped run, with the checkpoints of the second and third epoch."""
    monkeypatch.setattr(Checkpoints, "every", 0.0)
    folder = RunFolder(Path(shutil.copytree(stopped, run)))
    assert sorted(p.name for p in folder.checkpoints.glob("epoch*")) == [
        "epoch-00001.ckpt",
        "epoch-00002.ckpt",
    ]
    return folder


class Bomb:
    """Pickled code that leaves a trace when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.trace),)


def damage(path: Path, how: str, trace: Path) -> None:
    data = path.read_bytes()
    if how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "foreign":
        torch.save({"state_dict": {}}, path)
    elif how == "code":
        torch.save({"dmrnet": Bomb(trace)}, path)
    else:
        path.write_bytes(pickle.dumps(Bomb(trace)))


@pytest.mark.parametrize(
    "how",
    [
        "truncated",
        "code",
        *(pytest.param(how, marks=pytest.mark.slow) for how in ("empty", "foreign", "pickle")),
    ],
)
def test_a_broken_checkpoint_falls_back_to_the_one_before(
    whole: Path,
    stopped: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    how: str,
) -> None:
    folder = stopped_run(stopped, tmp_path / "run", monkeypatch)
    damage(folder.checkpoints / "epoch-00002.ckpt", how, tmp_path / "trace")
    seen: list[int] = []
    with caplog.at_level(logging.WARNING, "dmrnet"):
        fit_run(settings_in(whole, epochs=EPOCHS), folder.path, lambda p: seen.append(p.epoch))
    warnings = [record.getMessage() for record in caplog.records]
    assert "epoch-00002.ckpt cannot be read" in warnings[0]
    assert "trying the one before" in warnings[0]
    assert "\n" not in warnings[0]
    assert "going on after epoch 2" in warnings[1]
    assert seen == [3, 4]
    assert not (tmp_path / "trace").exists(), "pickled code ran"
    assert result_of(folder.path) == result_of(whole / "run")


def test_without_a_checkpoint_that_can_be_read_the_run_begins_anew(
    whole: Path, stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stopped_run(stopped, tmp_path / "run", monkeypatch)
    for path in folder.checkpoints.glob("*.ckpt"):
        path.write_bytes(path.read_bytes()[:100])
    seen: list[int] = []
    fit_run(settings_in(whole, epochs=EPOCHS), folder.path, lambda p: seen.append(p.epoch))
    assert seen == list(range(1, EPOCHS + 1))
    assert result_of(folder.path) == result_of(whole / "run")


def test_half_lines_and_half_files_are_cleared(
    whole: Path, stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stopped_run(stopped, tmp_path / "run", monkeypatch)
    with folder.metrics.open("a") as stream:
        stream.write("3,loss,0.1\n3,task,0.")
    with folder.variance.open("a") as stream:
        stream.write('{"epoch": 3, "combi')
    (folder.checkpoints / ".epoch-00003.ckpt.1234.part").write_bytes(b"half")
    (folder.path / ".results.jsonl.1234.part").write_bytes(b"half")
    fit_run(settings_in(whole, epochs=EPOCHS), folder.path)
    assert result_of(folder.path) == result_of(whole / "run")
    assert result_of(folder.path)["left"] == []


def test_a_run_goes_on_with_other_threads(
    whole: Path, stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stopped_run(stopped, tmp_path / "run", monkeypatch)
    before = torch.get_num_threads()
    try:
        fit_run(settings_in(whole, "--threads", "1", epochs=EPOCHS), folder.path)
    finally:
        torch.set_num_threads(before)
    assert result_of(folder.path) == result_of(whole / "run")
