"""Processes of torchrun and SLURM, settings about them, and which process reports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dmrnet.cli.failures import guarded
from dmrnet.cli.screen import screen
from dmrnet.data.loader import TrainLoader
from dmrnet.engine.training.processes import (
    Launch,
    LostProcessError,
    launch,
    rank,
    reports,
    with_launch,
)
from dmrnet.engine.training.steps import NotFiniteError
from dmrnet.settings.training import Training

TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4", "RANK": "5"}
SLURM = {
    "SLURM_NTASKS": "6",
    "SLURM_NNODES": "3",
    "SLURM_STEP_ID": "0",
    "SLURM_PROCID": "5",
    "SLURM_JOB_NAME": "train",
}


@pytest.fixture(autouse=True)
def _nobody_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*TORCHRUN, *SLURM, "LOCAL_RANK", "SLURM_LOCALID"):
        monkeypatch.delenv(name, raising=False)


def started(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def test_without_a_launcher_there_is_one_process() -> None:
    assert launch() is None
    assert rank() == 0
    training = with_launch(Training())
    assert (training.devices, training.nodes) == (1, 1)
    assert with_launch(Training(devices=os.cpu_count())).devices == os.cpu_count()
    with pytest.raises(ValueError, match="asks for a process each"):
        with_launch(Training(devices=(os.cpu_count() or 1) + 1))
    with pytest.raises(ValueError, match=r"nodes 2 \(--nodes\) needs torchrun or srun"):
        with_launch(Training(nodes=2))


@pytest.mark.parametrize(
    ("values", "expected"),
    [(TORCHRUN, Launch("torchrun", 4, 2)), (SLURM, Launch("SLURM", 2, 3))],
    ids=["torchrun", "slurm"],
)
def test_the_processes_of_a_launcher_are_used(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], expected: Launch
) -> None:
    started(monkeypatch, **values)
    assert launch() == expected
    assert rank() == 5
    for training in (Training(), Training(devices=expected.devices, nodes=expected.nodes)):
        found = with_launch(training)
        assert (found.devices, found.nodes) == (expected.devices, expected.nodes)
    with pytest.raises(
        ValueError, match=rf"devices 7 \(--devices\), but {expected.by} started this with"
    ):
        with_launch(Training(devices=7))
    with pytest.raises(
        ValueError, match=rf"nodes 7 \(--nodes\), but {expected.by} started this with"
    ):
        with_launch(Training(nodes=7))


def test_a_shell_in_an_allocation_is_no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch, **{**SLURM, "SLURM_JOB_NAME": "bash"})
    assert launch() is None
    assert rank() == 0


def test_a_forgotten_srun_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch, **SLURM)
    monkeypatch.delenv("SLURM_STEP_ID")
    with pytest.raises(ValueError, match=r"6 tasks.*write srun before the command"):
        launch()


def test_uneven_machines_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch, **{**SLURM, "SLURM_NTASKS": "7"})
    with pytest.raises(ValueError, match="got 7 on 3 from SLURM"):
        launch()


@pytest.mark.parametrize(
    ("where", "spoken"),
    [({}, True), ({"RANK": "0"}, True), ({"LOCAL_RANK": "1"}, False), ({"LOCAL_RANK": "0"}, True)],
    ids=["alone", "first", "second of a machine", "first of another machine"],
)
def test_before_processes_meet_one_of_a_machine_reports(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    where: dict[str, str],
    spoken: bool,
) -> None:
    if where:
        started(monkeypatch, **{**TORCHRUN, **where})

    def failing() -> int:
        raise ValueError("there is no such thing")

    assert guarded(failing) == 2
    assert ("there is no such thing" in capsys.readouterr().err) == spoken


@pytest.mark.parametrize(
    ("error", "spoken"),
    [(LostProcessError("x"), False), (NotFiniteError("x"), False), (OSError("x"), True)],
)
def test_when_processes_have_met_the_one_that_failed_reports(
    monkeypatch: pytest.MonkeyPatch, error: Exception, spoken: bool
) -> None:
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    assert reports(error)
    started(monkeypatch, **TORCHRUN)
    assert reports(error) == spoken


def test_only_the_first_process_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not screen().quiet
    started(monkeypatch, **SLURM)
    assert screen().quiet


@pytest.mark.parametrize(("samples", "size"), [(50, 13), (48, 12), (7, 7), (9, 2)])
def test_the_loader_knows_the_rows_of_all(samples: int, size: int) -> None:
    loader = TrainLoader.__new__(TrainLoader)
    loader.dataset, loader._batches = range(samples), -(-samples // size)
    parts = torch.arange(samples).tensor_split(loader._batches)
    assert [loader.rows(i) for i in range(len(loader))] == [len(part) for part in parts]


LEAVING = """
import atexit, sys, torch
from dmrnet.engine.training.processes import exit_process

class Last:
    def __del__(self):
        print("the interpreter was taken down")

last = Last()
if len(sys.argv) > 1:
    torch.distributed.init_process_group("gloo", "file://" + sys.argv[1], rank=0, world_size=1)
atexit.register(print, "what was to be done at the end")
print("work")
exit_process(3)
"""


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False])
def test_a_process_of_several_leaves_the_interpreter_standing(tmp_path: Path, shared: bool) -> None:
    words = [str(tmp_path / "meet")] if shared else []
    done = subprocess.run(
        [sys.executable, "-c", LEAVING, *words],
        env={**os.environ, "GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True,
        text=True,
        timeout=90,
    )
    lines = ["work", "what was to be done at the end", "the interpreter was taken down"]
    assert done.stdout.splitlines() == lines[: 2 if shared else 3]
    assert done.returncode == 3, done.stderr
