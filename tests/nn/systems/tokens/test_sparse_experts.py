"""The noisy gate and the mixture of experts, against loops over tokens and experts."""

from __future__ import annotations

import math

import pytest
import torch
from tests.nn.systems.slow_tokens import doubled, gelu, linear

from dmrnet.nn.systems.tokens.sparse_experts import NoisyTopGate, SparseExperts

N, D, E = 9, 4, 5


def softmax(values: list[float]) -> list[float]:
    total = sum(math.exp(x) for x in values)
    return [math.exp(x) / total for x in values]


def normal_cdf(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


def gate_of(active: int, noise: bool = True) -> NoisyTopGate:
    gate = NoisyTopGate(D, E, active, noise)
    doubled(gate)
    return gate


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("active", [1, 2, 4, 5, 7])
def test_the_gate_is_its_equations(active: int, training: bool) -> None:
    gate = gate_of(active).train(training)
    tokens = torch.randn(N, D, dtype=torch.float64)
    torch.manual_seed(3)
    got = gate(tokens)
    torch.manual_seed(3)
    draws = torch.randn(N, E, dtype=torch.float64).tolist()
    k = min(active, E)
    for i, token in enumerate(tokens.tolist()):
        clean = linear(gate.score, token)
        spread = [math.log(1 + math.exp(x)) + 0.01 for x in linear(gate.noise, token)]
        logits = clean
        if training:
            logits = [h + s * z for h, s, z in zip(clean, spread, draws[i], strict=True)]
        ranked = sorted(range(E), key=lambda e: -logits[e])
        best = ranked[:k]
        assert got.logits[i].tolist() == pytest.approx(logits)
        assert got.chosen[i].tolist() == best
        weights = softmax([logits[e] for e in best])
        assert got.weights[i].tolist() == pytest.approx(weights)
        for e in range(E):
            weight = weights[best.index(e)] if e in best else 0.0
            assert got.dense[i, e].item() == pytest.approx(weight)
            load = float(e in best)
            if training and k < E:
                others = sorted((logits[o] for o in range(E) if o != e), reverse=True)
                load = normal_cdf((clean[e] - others[k - 1]) / spread[e])
            assert got.load[i, e].item() == pytest.approx(load)


def test_without_noise_training_and_inference_choose_alike() -> None:
    gate = gate_of(2, noise=False)
    assert gate.noise is None
    tokens = torch.randn(N, D, dtype=torch.float64)
    assert torch.equal(gate(tokens).logits, gate.train()(tokens).logits)


@pytest.mark.parametrize("active", [1, 3])
def test_the_mixture_is_the_weighted_sum_of_the_chosen_experts(active: int) -> None:
    experts = doubled(SparseExperts(D, E, 2, NoisyTopGate(D, E, active, True)))
    with torch.no_grad():
        experts.gate.score.weight[2] = -9  # of tokens above 0, so that nobody chooses it
    tokens = torch.rand(N, D, dtype=torch.float64)
    got, gate = experts(tokens)
    assert not (gate.chosen == 2).any()
    for i, token in enumerate(tokens.tolist()):
        total = torch.zeros(D, dtype=torch.float64)
        for e, weight in zip(gate.chosen[i].tolist(), gate.weights[i].tolist(), strict=True):
            first, activation, second = experts.experts[e]
            hidden = [gelu(activation, x) for x in linear(first, token)]
            total += weight * torch.tensor(linear(second, hidden), dtype=torch.float64)
        torch.testing.assert_close(got[i], total)


def test_both_ways_of_running_experts_have_one_result_and_gradient() -> None:
    torch.manual_seed(0)
    experts = SparseExperts(D, E, 2, NoisyTopGate(D, E, 2, False)).double()
    tokens = torch.randn(N, D, dtype=torch.float64, requires_grad=True)
    results = []
    for run in (experts.sparse, experts.dense):
        experts.zero_grad()
        tokens.grad = None
        out = run(tokens, experts.gate(tokens))
        out.square().sum().backward()
        results.append([out.detach(), tokens.grad, *(p.grad for p in experts.parameters())])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs)
