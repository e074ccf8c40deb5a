"""Made arrays of three modalities, small enough to train on in a second, and a way to call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from dmrnet.cli import main

SMALL = ["--max-epochs", "2", "--method.network.width", "8", "--threads", "1"]
QUICK = ["--method", "dmrnet", *SMALL]


@dataclass(frozen=True)
class Output:
    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        return self.out.splitlines()[-1]


Cli = Callable[..., Output]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Call the command in this process."""
    # As wide as a pipe, whatever terminal the tests run in.
    monkeypatch.delenv("COLUMNS", raising=False)

    def call(*argv: str) -> Output:
        capsys.readouterr()
        code = main([str(word) for word in argv])
        said = capsys.readouterr()
        return Output(code, said.out, said.err)

    return call


def make_arrays(folder: Path, rows: dict[str, int], seed: int = 0) -> None:
    """Write made files: a vector, an image and a sequence that tell three classes apart."""
    rng = np.random.default_rng(seed)
    for role, n in rows.items():
        y = np.arange(n) % 3
        radar = rng.normal(size=(n, 5)) + y[:, None]
        camera = rng.normal(size=(n, 1, 8, 8)) + y[:, None, None, None]
        sound = rng.normal(size=(n, 2, 16)) + y[:, None, None]
        radar[::7] = np.nan
        np.savez(folder / f"{role}.npz", radar=radar, camera=camera, sound=sound, y=y)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of train.npz, val.npz and test.npz."""
    folder = tmp_path_factory.mktemp("made")
    make_arrays(folder, {"train": 60, "val": 30, "test": 30})
    with np.load(folder / "test.npz") as arrays:
        np.savez(folder / "unseen.npz", sound=arrays["sound"])
    return folder


@pytest.fixture(scope="session")
def data_flags(made: Path) -> list[str]:
    flags = ["--data", "arrays"]
    for role in ("train", "val", "test"):
        flags += [f"--data.{role}", str(made / f"{role}.npz")]
    return flags


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, data_flags: list[str]) -> Path:
    """A finished run; not to be written to."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert main(["fit", *data_flags, *QUICK, "--out", str(folder)]) == 0
    return folder
