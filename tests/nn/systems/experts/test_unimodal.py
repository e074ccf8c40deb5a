"""The average of unimodal's experts, against a loop."""

from __future__ import annotations

import math

import pytest
import torch

from dmrnet.modalities import all_combinations
from dmrnet.nn.systems.experts.unimodal import ExpertAverage


@pytest.mark.parametrize("combine", ["probabilities", "logits"])
def test_experts_of_visible_modalities_are_averaged(combine: str) -> None:
    names, masks = ("a", "b", "c"), all_combinations(3)
    draw = torch.Generator().manual_seed(1)
    feats = {n: 3 * torch.randn(len(masks), 4, 1, 1, generator=draw) for n in names}
    fused = ExpertAverage(names, combine)(feats, masks).map  # type: ignore[arg-type]
    assert fused.shape == (len(masks), 4, 1, 1)
    for i, mask in enumerate(masks.tolist()):
        rows = [feats[n][i].flatten().tolist() for n, seen in zip(names, mask, strict=True) if seen]
        for k in range(4):
            if combine == "logits":
                expected = sum(row[k] for row in rows) / len(rows)
            else:
                each = [math.exp(row[k]) / sum(math.exp(x) for x in row) for row in rows]
                expected = math.log(sum(each) / len(rows))
            assert fused[i, k].item() == pytest.approx(expected, rel=1e-4, abs=1e-5)
