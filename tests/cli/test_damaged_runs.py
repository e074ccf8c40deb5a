"""Files of a run that are gone, damaged or another run's, through the command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load, save

from dmrnet.cli import main

if TYPE_CHECKING:
    from .conftest import Cli

Damage = Callable[[Path], object]
NAN = float("nan")
QUICK = ["--method", "dmrnet", "--max-epochs", "2", "--method.network.width", "8", "--threads", "1"]

# What is done to a finished run, and what `dmrnet evaluate RUN` says of it.
DAMAGED: dict[str, tuple[Damage, str]] = {
    "run.json cut short": (
        lambda run: cut(run / "run.json"),
        "run.json: expected a JSON object, got",
    ),
    "run.json of something else": (
        lambda run: (run / "run.json").write_text("[]"),
        "run.json: expected a JSON object, got list",
    ),
    "run.json without the task": (
        lambda run: (run / "run.json").write_text("{}"),
        "expected the run's modalities, inputs and classes",
    ),
    "rows cut short": (
        lambda run: cut(run / "results.jsonl"),
        "results.jsonl:1: expected a JSON object, got",
    ),
    "no standardiser": (
        lambda run: (run / "standardiser.safetensors").unlink(),
        "standardiser.safetensors, which standardises this run's data, is gone",
    ),
    "a standardiser cut short": (
        lambda run: cut(run / "standardiser.safetensors"),
        "standardiser.safetensors is corrupt or no safetensors file",
    ),
    "weights for a standardiser": (
        lambda run: shutil.copy(
            run / "checkpoints/best.safetensors", run / "standardiser.safetensors"
        ),
        "expected mean and std of radar, camera, sound",
    ),
    "a standardiser of another shape": (
        lambda run: change(run / "standardiser.safetensors", "radar.mean", torch.zeros(3)),
        "standardiser.safetensors: expected mean of radar of shape (5,), got (3,)",
    ),
    "a standardiser with NaN in it": (
        lambda run: change(run / "standardiser.safetensors", "sound.std", torch.full((2,), NAN)),
        "standardiser.safetensors: std of sound holds NaN, infinity or a deviation of 0",
    ),
}


def change(path: Path, key: str, value: torch.Tensor) -> None:
    path.write_bytes(save({**load(path.read_bytes()), key: value.double()}))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


@pytest.mark.parametrize(("damage", "said"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_run(cli: Cli, finished: Path, tmp_path: Path, damage: Damage, said: str) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    damage(run)
    before = (run / "results.jsonl").read_bytes()
    result = cli("evaluate", run)
    assert result.code == 2
    (line,) = result.err.splitlines()
    assert line.startswith("dmrnet: error: ")
    assert str(run) in line
    assert said in line
    assert (run / "results.jsonl").read_bytes() == before


class Bomb:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return open_for_writing, (str(self.trace),)


def open_for_writing(path: str) -> None:
    Path(path).touch()


def stopped(run: Path, flags: list[str]) -> Path:
    """Return the checkpoint of a run that was interrupted as its second epoch was reported."""
    from dmrnet.cli.fit.progress import FitProgress

    epochs = []

    def stop(*_: object) -> None:
        epochs.append(1)
        if len(epochs) == 2:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FitProgress, "__call__", stop)
        assert main(["fit", *QUICK, *flags, "--out", str(run)]) == 130
    return next((run / "checkpoints").glob("*.ckpt"))


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory, data_flags: list[str]) -> Path:
    run = tmp_path_factory.mktemp("unfinished") / "run"
    stopped(run, data_flags)
    return run


@pytest.fixture(scope="module")
def of_another_method(tmp_path_factory: pytest.TempPathFactory, data_flags: list[str]) -> Path:
    run = tmp_path_factory.mktemp("another") / "run"
    return stopped(run, [*data_flags, "--method", "sf-md"])


# What stands where a checkpoint should, and what `dmrnet fit` says of it.
BAD_CHECKPOINTS: dict[str, tuple[str, str]] = {
    "a checkpoint cut short": ("cut", "it is cut short or damaged"),
    "a checkpoint that holds pickled code": (
        "pickled",
        "it holds more than tensors and plain values",
    ),
    "a file that is no checkpoint": ("foreign", "it is no checkpoint of a run"),
    "a checkpoint of another method": (
        "another",
        "it does not fit the run's method: it lacks representation.mu",
    ),
}


@pytest.mark.parametrize(("kind", "said"), BAD_CHECKPOINTS.values(), ids=BAD_CHECKPOINTS)
def test_a_bad_checkpoint_is_passed_over(
    cli: Cli,
    unfinished: Path,
    of_another_method: Path,
    data_flags: list[str],
    tmp_path: Path,
    kind: str,
    said: str,
) -> None:
    run = Path(shutil.copytree(unfinished, tmp_path / "run"))
    (path,) = (run / "checkpoints").glob("*.ckpt")
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:500])
    elif kind == "pickled":
        torch.save({"dmrnet": Bomb(tmp_path / "trace")}, path)
    elif kind == "foreign":
        torch.save({"dmrnet": {}}, path)
    else:
        shutil.copy(of_another_method, path)
    result = cli("fit", *data_flags, *QUICK, "--out", run)
    assert result.code == 0
    first = result.err.splitlines()[0]
    assert str(path) in first
    assert said in first
    assert "weights_only" not in first
    assert not (tmp_path / "trace").exists()
    assert (run / "results.jsonl").read_bytes() != b""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fit", "--max-epoch", "3"], "did you mean '--max-epochs'?"),
        pytest.param(
            *(["data", "check", "nowhere.npz"], "there is no file nowhere.npz"),
            marks=pytest.mark.slow,
        ),
        pytest.param(["evaluate", "nowhere"], "nowhere holds no run", marks=pytest.mark.slow),
    ],
    ids=["fit", "data", "evaluate"],
)
def test_a_process_of_its_own(tmp_path: Path, words: list[str], said: str) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "dmrnet", *words, *more]
        return subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )

    plain = run()
    assert plain.returncode == 2
    (line,) = plain.stderr.splitlines()
    assert line.startswith("dmrnet: error: ")
    assert said in line
    if words[0] != "fit":
        return
    debug = run("--debug")
    assert debug.returncode == 2
    assert debug.stderr.startswith("Traceback")
    assert debug.stderr.splitlines()[-1] == line
