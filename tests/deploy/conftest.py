"""A finished run of two modalities, and the files it is exported to, once for all tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

import dmrnet
from dmrnet import Run
from dmrnet.deploy.export import Exported
from dmrnet.deploy.runners import Runner, read_onnx, read_torch

RUNS = Path(__file__).parents[1] / "engine" / "old_runs"


@dataclass(frozen=True)
class Files:
    """One run in every format."""

    run: Run
    torch: Exported
    onnx: Exported
    runners: tuple[Runner, Runner]


@pytest.fixture(scope="session")
def run() -> Run:
    """Not to be written to."""
    return dmrnet.open_run(RUNS / "arrays-dmrnet")


@pytest.fixture(scope="session")
def files(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("exported")
    torch, onnx = run.export(folder), run.export(folder, "onnx", quantise="int8")
    runners = read_torch(torch.path.read_bytes())[0], read_onnx(onnx.path.read_bytes())[0]
    return Files(run, torch, onnx, runners)
