"""What goes wrong, through the command: one line that says what, no traceback, an exit code."""

from __future__ import annotations

import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save
from tests.cli.calls import FIT, in_a_process, refused

from dmrnet.cli import main
from dmrnet.cli.failures import guarded, one_line

if TYPE_CHECKING:
    from .conftest import Cli


def foreign(path: Path) -> None:
    path.write_bytes(save({"encoder.weight": torch.zeros(2)}))


def pickled(path: Path) -> None:
    torch.save({"weights": Bomb()}, path)


class Bomb:
    """Would leave a trace if it were unpickled."""

    def __reduce__(self) -> tuple[Callable[[], object], tuple[()]]:
        return _explode, ()


def _explode() -> None:
    raise AssertionError("pickled code was run")


# What is done to the weights of a finished run, and what `dmrnet evaluate RUN` says of it.
BAD_WEIGHTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "weights cut short": (
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        "corrupt or no safetensors",
    ),
    "weights without a byte": (lambda path: path.write_bytes(b""), "corrupt or no safetensors"),
    "no weights": (lambda path: path.unlink(), "there are no weights at"),
    "weights of something else": (foreign, "does not fit"),
    "weights that hold pickled code": (pickled, "corrupt or no safetensors"),
}


@pytest.mark.parametrize(("damage", "said"), BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
def test_damaged_weights(
    cli: Cli, finished: Path, tmp_path: Path, damage: Callable[[Path], object], said: str
) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    damage(run / "checkpoints" / "best.safetensors")
    refused(cli("evaluate", run), said)


def test_a_full_disk_leaves_what_was_there(cli: Cli, finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handled = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        done = cli("evaluate", run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handled)
    assert done.code == 1  # it failed while it ran
    (line,) = done.err.splitlines()
    assert line.startswith(f"dmrnet: error: {run}")
    assert "File too large" in line
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_file_where_the_run_should_go(cli: Cli, made: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    flags = [f"--data.train={made / 'train.npz'}", "--out", str(blocked / "run")]
    result = cli(*FIT[:-2], *flags)
    assert result.code == 2
    assert str(blocked) in result.err.splitlines()[-1]


def test_debug_shows_where(cli: Cli) -> None:
    result = cli("fit", "--lr", "fast", "--debug")
    assert result.code == 2
    assert result.err.startswith("Traceback")
    assert result.err.splitlines()[-1].startswith("dmrnet: error: --lr")


def test_what_is_no_mistake_of_the_user_has_another_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken() -> int:
        raise RuntimeError("a\n  b")

    assert guarded(broken) == 1
    said = capsys.readouterr().err
    assert said == "dmrnet: error: RuntimeError: a b (--debug shows where)\n"


def test_a_broken_pipe_that_is_not_stdouts_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> int:
        raise BrokenPipeError(32, "Broken pipe")

    assert guarded(broken) == 1
    assert capsys.readouterr().err == "dmrnet: error: Broken pipe (--debug shows where)\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (FileNotFoundError(2, "No such file or directory", "a.npz"), "a.npz: No such file"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (ValueError("one\n two"), "one two"),
        (KeyError("x"), "KeyError: 'x'"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_an_error_in_one_line(error: Exception, line: str) -> None:
    assert one_line(error).startswith(line)
    assert "\n" not in one_line(error)


def test_nothing_at_all_is_answered_with_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: dmrnet COMMAND" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("damage", "said"), BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
def test_bad_weights_in_a_process(
    finished: Path, tmp_path: Path, damage: Callable[[Path], object], said: str
) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    damage(run / "checkpoints" / "best.safetensors")
    refused(in_a_process(tmp_path, "evaluate", run), said)
