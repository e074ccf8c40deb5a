"""Two processes with half of the rows each train like one process with all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.contracts import two_processes

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.ddp


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Return what one process made of every method, and what each of two made of it."""
    folder = tmp_path_factory.mktemp("two")
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    env = {**os.environ, "PYTHONPATH": path, "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, "-m", "tests.contracts.two_processes"]
    processes = [
        subprocess.Popen(
            [*command, str(rank), "2", str(folder)],
            env=env,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for rank in range(2)
    ]
    alone = two_processes.run(0, 1)
    try:
        for process in processes:
            output, _ = process.communicate(timeout=120)
            assert process.returncode == 0, output.decode()
    finally:
        for process in processes:
            process.kill()
    return alone, [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("name", two_processes.cases())
def test_gradients_are_those_of_one_process(both, name: str) -> None:
    alone, ranks = both
    for rank in ranks:
        steps = zip(alone[name]["gradients"], rank[name]["gradients"], strict=True)
        for one, two in steps:
            for expected, got in zip(one, two, strict=True):
                torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)
    assert any(g.any() for g in alone[name]["gradients"][0])


@pytest.mark.parametrize("name", two_processes.cases())
def test_statistics_and_hard_sets_are_those_of_one_process(both, name: str) -> None:
    alone, ranks = both
    for rank in ranks:
        for one, two in zip(alone[name]["epochs"], rank[name]["epochs"], strict=True):
            assert torch.equal(two["counts"], one["counts"])
            assert one["counts"].sum() == two_processes.ROWS * two_processes.STEPS
            assert torch.equal(two["hard"], one["hard"])
            for key in ("loss", "variance"):
                torch.testing.assert_close(two[key], one[key], atol=1e-5, rtol=1e-5, equal_nan=True)


@pytest.mark.parametrize("name", ["dmrnet", "dmrnet-variance", "esanet"])
def test_something_is_mined(both, name: str) -> None:
    assert both[0][name]["epochs"][-1]["hard"].any()


@pytest.mark.parametrize("name", two_processes.cases())
def test_state_is_the_same_on_both(both, name: str) -> None:
    alone, ranks = both
    for key, value in ranks[0][name]["state"].items():
        assert torch.equal(value, ranks[1][name]["state"][key]), key
        torch.testing.assert_close(value, alone[name]["state"][key], atol=1e-5, rtol=1e-4)
