"""Flex-MoE's layers on visible and learned tokens, against loops."""

from __future__ import annotations

import pytest
import torch
from tests.nn.layers.test_transformer import slow_attention
from tests.nn.systems.slow_tokens import Tokens, doubled, gelu, linear, norm, plus, slow_block

from dmrnet.modalities import all_combinations, some_combinations
from dmrnet.nn.systems.tokens.flex_moe import (
    ExpertBlock,
    FlexMoEMixer,
    FlexMoEOptions,
    MissingBank,
    expert_of,
)
from dmrnet.nn.systems.tokens.sparse_experts import SparseExperts
from dmrnet.testing.batches import slow_index


def slow_mixture(experts: SparseExperts, token: list[float]) -> list[float]:
    """Return the sum over the chosen experts, of which the gate has tests of its own."""
    gate = experts.gate(torch.tensor([token], dtype=torch.float64))
    total = [0.0] * len(token)
    for e, weight in zip(gate.chosen[0].tolist(), gate.weights[0].tolist(), strict=True):
        first, activation, second = experts.experts[e]
        hidden = [gelu(activation, x) for x in linear(first, token)]
        total = plus(total, [weight * x for x in linear(second, hidden)])
    return total


def slow_expert_block(block: ExpertBlock, tokens: Tokens) -> Tokens:
    normed = [norm(block.norm1, token) for token in tokens]
    attended = slow_attention(block.attention, normed, [True] * len(tokens))
    before = attended if block.doubled else tokens
    tokens = [plus(x, y) for x, y in zip(before, attended, strict=True)]
    return [plus(x, slow_mixture(block.experts, norm(block.norm2, x))) for x in tokens]


@pytest.mark.parametrize(("doubled_attention", "layers"), [(False, 1), (True, 1), (False, 3)])
def test_missing_tokens_are_learned_and_each_modality_is_averaged(
    doubled_attention: bool, layers: int
) -> None:
    options = FlexMoEOptions(layers, 2, 2, 0.3, None, 2, True, doubled_attention)
    counts = (2, 1, 3)
    mixer = doubled(FlexMoEMixer(counts, 4, options))
    masks = all_combinations(3)
    tokens = torch.randn(len(masks), sum(counts), 4, dtype=torch.float64)
    got, extras = mixer(tokens, masks)
    assert got.shape == (7, 12)
    shapes = [(7, tokens, 7) for tokens in counts] * ((layers + 1) // 2)
    for name in ("gate_logits", "gate_weights", "gate_load"):
        assert [x.shape for x in extras[name]] == shapes
    owner = [0, 0, 1, 2, 2, 2]
    for i, mask in enumerate(masks.tolist()):
        x: Tokens = []
        for t, v in enumerate(owner):
            own = tokens[i, t] if mask[v] else mixer.bank.table[slow_index(mask), t]
            x.append((own + mixer.position[t]).tolist())
        for block in mixer.blocks:
            step = slow_expert_block if isinstance(block, ExpertBlock) else slow_block
            x = step(block, x)  # type: ignore[operator]
        means = []
        for v in range(3):
            own = [token for token, u in zip(x, owner, strict=True) if u == v]
            means += [sum(column) / len(own) for column in zip(*own, strict=True)]
        assert got[i].tolist() == pytest.approx(means)


def test_the_bank_of_many_modalities_is_a_sum_over_the_visible_ones() -> None:
    owner = torch.arange(9)
    bank = doubled(MissingBank(owner, 9, 2))
    assert sum(p.numel() for p in bank.parameters()) == 9 * 9 * 2 + 9 * 2
    masks = some_combinations(9, 12, torch.Generator().manual_seed(0))
    got = bank(masks)
    for i, mask in enumerate(masks.tolist()):
        for v in range(9):
            for c in range(2):
                total = bank.base[v, c].item()
                for u in range(9):
                    if mask[u]:
                        total += bank.table[u, v, c].item()
                assert got[i, v, c].item() == pytest.approx(total)


@pytest.mark.parametrize("modalities", [1, 2, 4])
def test_each_combination_has_an_expert_of_its_own_and_the_full_one_is_0(modalities: int) -> None:
    masks = all_combinations(modalities)
    experts = expert_of(masks, len(masks)).tolist()
    assert sorted(experts) == list(range(len(masks)))
    assert experts[-1] == 0
    assert not expert_of(masks, 1).any()


def test_few_experts_are_shared_evenly() -> None:
    experts = expert_of(all_combinations(6), 16).tolist()
    counts = [experts.count(e) for e in range(16)]
    assert counts[0] == 1
    assert set(counts[1:]) == {4, 5}
