"""Instance norm and 1x1 convolutions on volumes, against torch's own."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from dmrnet.nn.layers.instance_norm import InstanceNorm
from dmrnet.nn.layers.pointwise import Pointwise
from dmrnet.nn.representation import DMR


def test_instance_norm_is_torchs_and_takes_one_position() -> None:
    """Each sample by itself; a map of one position is scaled and shifted, in training too."""
    norm, theirs = InstanceNorm(3), nn.InstanceNorm3d(3, affine=True)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, 3.0]))
        norm.bias.fill_(0.5)
        theirs.weight.copy_(norm.weight)
        theirs.bias.copy_(norm.bias)
    x = torch.randn(2, 3, 4, 5, 6)
    torch.testing.assert_close(norm(x), theirs(x))
    torch.testing.assert_close(norm(x)[1:], norm(x[1:]))
    one = torch.ones(2, 3, 1, 1, 1)
    assert norm(one)[0, :, 0, 0, 0].tolist() == [1.5, 2.5, 3.5]
    half = norm(x.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), theirs(x), atol=0.1, rtol=0.02)


def test_a_pointwise_convolution_of_volumes_is_a_1x1x1_convolution() -> None:
    """The weights of two axes, over three."""
    layer = Pointwise(3, 2)
    x = torch.randn(2, 3, 4, 5, 6)
    torch.testing.assert_close(layer(x), F.conv3d(x, layer.weight[..., None], layer.bias))


def test_the_gaussian_of_a_map_has_any_number_of_axes() -> None:
    """Eq. 4-7 on a volume: mean and variance at every position, the mean at inference."""
    head = DMR(3)
    x = torch.randn(2, 3, 4, 5, 6)
    rep = head(x)
    assert rep.mu.shape == rep.value.shape == x.shape
    assert rep.mean_variance is not None
    assert rep.mean_variance.shape == (2,)
    torch.testing.assert_close(head.eval().infer(x), head(x).value)
