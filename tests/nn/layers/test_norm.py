"""Batch norm with a single value per channel, ours and that of other networks."""

from __future__ import annotations

import copy
import pickle

import pytest
import timm
import torch
from torch import nn

from dmrnet.nn.layers.norm import BatchNorm, safe_batch_norm


def warmed(layer: nn.Module) -> nn.Module:
    """Set statistics that differ from the initial ones."""
    with torch.no_grad():
        layer.running_mean.fill_(2.0)
        layer.running_var.fill_(4.0)
        layer.weight.fill_(3.0)
        layer.bias.fill_(0.5)
    return layer


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (2, 3, 4, 5), (2, 3, 2, 2, 2), (1, 3, 2)])
def test_many_values_are_normalised_as_by_torch(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    kinds = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
    mine, theirs = warmed(BatchNorm(3)), warmed(kinds[len(shape)](3))
    torch.testing.assert_close(mine(x), theirs(x))
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(mine.state_dict()[name], value)
    torch.testing.assert_close(mine.eval()(x), theirs.eval()(x))


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1), (1, 3, 1, 1)])
@pytest.mark.parametrize("foreign", [False, True])
def test_one_value_uses_running_statistics_without_updating_them(
    shape: tuple[int, ...], foreign: bool
) -> None:
    kinds = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}
    layer = warmed(safe_batch_norm(kinds[len(shape)](3)) if foreign else BatchNorm(3))
    before = copy.deepcopy(layer.state_dict())
    x = torch.randn(shape, requires_grad=True)
    y = layer(x)
    expected = (x - 2) / (4 + layer.eps) ** 0.5 * 3 + 0.5  # type: ignore[operator]
    torch.testing.assert_close(y, expected)
    y.sum().backward()
    assert x.grad is not None
    assert float(x.grad.abs().min()) > 1
    assert layer.training
    for name, value in layer.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_vector_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \(batch, channels, ...\), got \(3,\)"):
        BatchNorm(3)(torch.zeros(3))


def test_a_foreign_network_keeps_its_parameters() -> None:
    norm = nn.BatchNorm2d(2, momentum=0.3).double()
    norm.weight.requires_grad_(False)
    network = nn.Sequential(norm, nn.Sequential(norm), nn.BatchNorm1d(2, track_running_stats=False))
    assert safe_batch_norm(safe_batch_norm(network)) is network
    assert network[0] is network[1][0] is norm  # shared, frozen and double as before
    assert norm.weight.dtype == torch.float64
    assert not norm.weight.requires_grad
    assert len(norm._forward_pre_hooks) == 1
    assert not network[2]._forward_pre_hooks
    again = pickle.loads(pickle.dumps(copy.deepcopy(network)))
    one = torch.zeros(1, 2, 1, 1, dtype=torch.float64)
    torch.testing.assert_close(again[1](one), torch.zeros_like(one))


def test_a_failing_step_keeps_the_mode() -> None:
    layer = safe_batch_norm(nn.BatchNorm2d(3))
    with pytest.raises(ValueError, match="expected 4D"):
        layer(torch.zeros(1, 3))
    assert layer.training


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet"])
def test_timm_backbones_accept_one_sample(name: str) -> None:
    # efficientnet has timm's own batch norms, which raise the same error.
    backbone = timm.create_model(name, in_chans=1, num_classes=0, global_pool="")
    one = torch.randn(1, 1, 32, 32)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        backbone(one)
    out = safe_batch_norm(backbone)(one)
    assert out.isfinite().all()
    assert all(part.training for part in backbone.modules())
