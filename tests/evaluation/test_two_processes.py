"""Metrics of two processes are those of one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.evaluation import two_processes
from tests.forked import group


@pytest.mark.ddp
@pytest.mark.parametrize("metrics", ["attacks", "pixels"])
def test_two_processes_equal_one(metrics: str, tmp_path: Path) -> None:
    expected = getattr(two_processes, metrics)(0, 1)
    ranks = group(f"tests.evaluation.two_processes:{metrics}", meet=tmp_path / "meet")
    assert len(ranks) == 2
    for of_rank in ranks:
        for one, alone in zip(of_rank, expected, strict=True):
            assert torch.equal(one, alone)
