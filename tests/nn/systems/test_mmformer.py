"""mmFormer's tokens: order, restoring and masking."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dmrnet.nn.systems.mmformer import InterFusion, TransformerOptions


def times(weight: list[list[float]], x: list[float]) -> list[float]:
    return [sum(w * a for w, a in zip(row, x, strict=True)) for row in weight]


def test_tokens_are_ordered_by_modality_row_and_column() -> None:
    fusion = InterFusion("ab", 4, (2, 3), TransformerOptions(2, 2, 0.0))
    maps = {n: torch.randn(1, 7, 2, 3) for n in "ab"}  # the tokens' channels and three more
    tokens = fusion.tokens(maps, torch.tensor([[True, True]]))
    for v, name in enumerate("ab"):
        for y in range(2):
            for x in range(3):
                token = tokens[0, v * 6 + y * 3 + x]
                assert torch.equal(token, maps[name][0, :4, y, x])
    hidden = fusion.tokens(maps, torch.tensor([[True, False]]))
    assert torch.equal(hidden[:, :6], tokens[:, :6])
    assert not hidden[:, 6:].any()
    fusion.block = nn.Identity()  # the order of tokens stays
    fusion.block.forward = lambda tokens, shown: tokens  # type: ignore[method-assign]
    with torch.no_grad():
        fusion.gather.weight.zero_()
        fusion.gather.bias.zero_()
        fusion.gather.weight[4, 6 + 5] = 1.0  # position (1, 1) from position (1, 2) of b
    fused = fusion(maps, torch.tensor([[True, True]])).map
    assert torch.equal(fused[0, :, 1, 1], maps["b"][0, :4, 1, 2])
    assert fused[0].count_nonzero() == 4


@pytest.mark.parametrize("restore", ["position", "packed"])
def test_tokens_become_a_map_by_position_or_packed_as_released(restore: str) -> None:
    """From one position of all modalities, or V consecutive tokens of any."""
    v, height, width, d = 3, 2, 3, 4
    fusion = InterFusion(
        "abc",
        d,
        (height, width),
        TransformerOptions(2, 2, 0.0, restore=restore),  # type: ignore[arg-type]
    )
    tokens = torch.randn(2, v * height * width, d)
    got = fusion.regroup(tokens)
    weight, bias = fusion.gather.weight.tolist(), fusion.gather.bias.tolist()
    for n in range(2):
        for q in range(height * width):
            if restore == "position":
                tokens_at = [u * height * width + q for u in range(v)]
            else:
                tokens_at = [q * v + u for u in range(v)]
            packed = [x for at in tokens_at for x in tokens[n, at].tolist()]
            expected = [a + b for a, b in zip(times(weight, packed), bias, strict=True)]
            assert got[n, :, q].tolist() == pytest.approx(expected, abs=1e-5)


def test_hidden_tokens_take_part_unless_they_are_masked_as_keys() -> None:
    for key_mask in (False, True):
        fusion = InterFusion(
            "ab", 4, (1, 2), TransformerOptions(2, 2, 0.0, key_mask=key_mask)
        ).eval()
        with torch.no_grad():
            fusion.position[:, 2:] = torch.randn(1, 2, 4)
        maps = {n: torch.randn(1, 4, 1, 2) for n in "ab"}
        seen: list[torch.Tensor] = []
        fusion.block.register_forward_hook(lambda *a, seen=seen: seen.append(a[2]))
        mask = torch.tensor([[True, False]])
        fusion(maps, mask)
        with torch.no_grad():
            fusion.position[:, 2:] += torch.randn(1, 2, 4)
        fusion(maps, mask)
        assert torch.allclose(seen[0][:, :2], seen[1][:, :2]) == key_mask
