"""Synchronised batch norms: two processes with half of the rows each equal one with all."""

from __future__ import annotations

import pytest
import timm
import torch
from tests.forked import group
from tests.nn.layers import synchronised
from torch import nn

from dmrnet.nn import BatchNorm, safe_batch_norm, synchronise

CASES = [f"{name}, {case}" for name in synchronised.encoders() for case in synchronised.HAVE]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Return the results of one process, and of each of two."""
    folder = tmp_path_factory.mktemp("synchronised")
    return synchronised.run(0, 1), group("tests.nn.layers.synchronised:run", meet=folder / "meet")


@pytest.mark.slow
@pytest.mark.ddp
@pytest.mark.parametrize("case", CASES)
def test_two_processes_are_one(both, case: str) -> None:
    alone, ranks = both[0][case], [rank[case] for rank in both[1]]
    close = {"atol": 1e-6, "rtol": 1e-6}
    for rank, of_rank in enumerate(ranks):
        torch.testing.assert_close(of_rank["outputs"], alone["outputs"][rank::2], **close)
        for got, expected in zip(of_rank["gradients"], alone["gradients"], strict=True):
            torch.testing.assert_close(got, expected, **close)
        for key, value in alone["state"].items():
            torch.testing.assert_close(of_rank["state"][key], value, **close, msg=key)
    torch.testing.assert_close(ranks[0]["evaluated"], alone["evaluated"], **close)
    for key, value in ranks[0]["state"].items():
        assert torch.equal(value, ranks[1]["state"][key]), key


@pytest.mark.slow
@pytest.mark.ddp
def test_the_cases_are_not_empty(both) -> None:
    for case, seen in both[0].items():
        tracked = [value for key, value in seen["state"].items() if "num_batches" in key]
        if case.endswith((", all", ", one process without")):
            assert all(tracked), case
            assert seen["outputs"].any(), case
        if case == "vector, one row of all" or case.endswith(", none"):
            assert not any(tracked), case


def test_a_single_process_exchanges_nothing() -> None:
    x = torch.randn(4, 3)
    torch.testing.assert_close(synchronise(BatchNorm(3))(x), BatchNorm(3)(x), rtol=0, atol=0)


def test_other_kinds_of_norms_are_refused() -> None:
    network = timm.create_model("densenet121", pretrained=False)
    with pytest.raises(ValueError, match=r"features\.norm0: BatchNormAct2d.*--sync-batch-norm"):
        synchronise(network)
    with pytest.raises(ValueError, match="running statistics"):
        synchronise(nn.BatchNorm1d(2, track_running_stats=False))


def test_a_plain_norm_keeps_its_parameters_and_statistics() -> None:
    norm = safe_batch_norm(nn.BatchNorm2d(2, momentum=0.3))
    norm.weight.requires_grad_(False)
    before = {key: value.clone() for key, value in norm.state_dict().items()}
    assert synchronise(norm) is norm
    assert type(norm) is BatchNorm
    assert norm.momentum == 0.3
    assert not norm.weight.requires_grad
    assert all(torch.equal(value, before[key]) for key, value in norm.state_dict().items())
    one = torch.ones(1, 2, 1, 1)
    torch.testing.assert_close(norm(one), one / (1 + norm.eps) ** 0.5)
