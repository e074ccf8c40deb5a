"""What every fusion has: masked features (Eq. 2) and abilities that do nothing by default."""

from __future__ import annotations

import pytest
import torch

from dmrnet.modalities import Inputs
from dmrnet.nn.fusion import Fused, Fusion, masked


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -1e30])
def test_hidden_rows_cannot_pass_and_get_no_gradient(poison: float) -> None:
    feature = torch.randn(4, 2, 3, 3)
    column = torch.tensor([True, False, True, False])
    feature[~column] = poison
    feature.requires_grad_()
    visible = masked(feature, column)
    assert torch.equal(visible[~column], torch.zeros(2, 2, 3, 3))
    assert torch.equal(visible[column], feature[column])
    visible.sum().backward()
    assert feature.grad is not None
    assert torch.equal(feature.grad.amax((1, 2, 3)), column.float())


class Last(Fusion):
    """Returns the last modality's masked map."""

    def forward(self, feats: Inputs, mask: torch.Tensor) -> Fused:
        return Fused(masked(list(feats.values())[-1], mask[:, -1]))


def test_optional_abilities_have_defaults() -> None:
    fusion = Last()
    feats = {"a": torch.randn(3, 2, 1, 1), "b": torch.randn(3, 4, 2, 2)}
    mask = torch.tensor([[True, True], [True, False], [False, True]])
    expected = fusion(feats, mask).map
    rows = {"a": torch.tensor([0, 1]), "b": torch.tensor([0, 2])}
    assert torch.equal(fusion.fuse_rows(feats, mask, rows).map, expected)
    cached = fusion.prepare(feats)
    assert cached.row_size == 2 + 16
    twice = torch.tensor([2, 0, 2])
    selected = cached.select(twice, mask[twice])
    assert torch.equal(fusion(selected, mask[twice]).map, expected[twice])
    assert fusion.stride == 1
    assert not fusion.restrict(["a"])
    with pytest.raises(TypeError, match="Fusion does not define forward"):
        Fusion()(feats, mask)
