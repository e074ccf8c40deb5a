"""Runs repeat bit for bit on a CPU, and within rounding on a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.engine.runs import metrics_of, result_of, settings_in

from dmrnet.engine.fit import fit_run
from dmrnet.engine.run.folder import RunFolder


def test_on_two_threads_a_run_repeats_to_the_last_bit(tmp_path: Path) -> None:
    """On one it is tested with what else follows from the settings of a run."""
    before = torch.get_num_threads()
    try:
        for name in ("first", "second"):
            torch.rand(3)  # what was drawn before a run does not matter
            fit_run(settings_in(tmp_path, "--threads", "2", epochs=2), tmp_path / name)
    finally:
        torch.set_num_threads(before)
    assert result_of(tmp_path / "first") == result_of(tmp_path / "second")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_a_run_repeats_to_rounding(tmp_path: Path) -> None:
    for name in ("first", "second"):
        settings = settings_in(tmp_path, "--accelerator", "gpu", "--select", "last", epochs=3)
        fit_run(settings, tmp_path / name)
    first, second = (RunFolder(tmp_path / name) for name in ("first", "second"))
    one, two = metrics_of(first.metrics), metrics_of(second.metrics)
    assert [entry[:2] for entry in one] == [entry[:2] for entry in two]
    losses = [[value for _, name, value in run if name == "loss"] for run in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    weights = load_file(second.weights)
    for name, value in load_file(first.weights).items():
        torch.testing.assert_close(value, weights[name], atol=1e-3, rtol=1e-2, msg=name)
