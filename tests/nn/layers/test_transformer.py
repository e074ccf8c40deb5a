"""Attention and transformer layers, against loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from dmrnet.nn.layers.transformer import Attention, TransformerBlock
from dmrnet.nn.systems.mmformer import TransformerOptions


def times(weight: list[list[float]], x: list[float]) -> list[float]:
    return [sum(w * a for w, a in zip(row, x, strict=True)) for row in weight]


def slow_attention(module: Attention, tokens: list[list[float]], shown: list[bool]) -> list:
    d = len(tokens[0])
    size = d // module.heads
    qkv = [times(module.qkv.weight.tolist(), token) for token in tokens]
    out = []
    for t in range(len(tokens)):
        mixed: list[float] = []
        for head in range(module.heads):
            part = slice(head * size, (head + 1) * size)
            q = qkv[t][:d][part]
            keys = [u for u in range(len(tokens)) if shown[u]]
            score = {
                u: math.exp(
                    sum(a * b for a, b in zip(q, qkv[u][d : 2 * d][part], strict=True))
                    / math.sqrt(size)
                )
                for u in keys
            }
            total = sum(score.values())
            values = [qkv[u][2 * d :][part] for u in keys]
            mixed += [
                sum(score[u] / total * v[c] for u, v in zip(keys, values, strict=True))
                for c in range(size)
            ]
        bias = module.out.bias.tolist()
        out.append(
            [a + b for a, b in zip(times(module.out.weight.tolist(), mixed), bias, strict=True)]
        )
    return out


@pytest.mark.parametrize("hidden", [False, True])
def test_attention_equals_its_equation(hidden: bool) -> None:
    torch.manual_seed(0)
    module = Attention(6, 2, 0.5).double().eval()
    tokens = torch.randn(2, 5, 6, dtype=torch.float64)
    shown = torch.tensor([[1, 1, 0, 0, 1], [0, 1, 1, 1, 1]]).bool()
    got = module(tokens, shown if hidden else None)
    for n in range(2):
        seen = shown[n].tolist() if hidden else [True] * 5
        expected = slow_attention(module, tokens[n].tolist(), seen)
        torch.testing.assert_close(got[n], torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("gelu", ["exact", "tanh"])
def test_a_block_is_norm_attention_norm_network_with_residuals(gelu: str) -> None:
    block = TransformerBlock(8, 2, 3, 0.3, gelu).eval()  # type: ignore[arg-type]
    x = torch.randn(2, 4, 8)
    y = x + block.attention(nn.functional.layer_norm(x, (8,)))
    hidden = nn.functional.layer_norm(y, (8,)) @ block.mlp[0].weight.T + block.mlp[0].bias
    inner = math.sqrt(2 / math.pi) * (hidden + 0.044715 * hidden**3)
    share = torch.erf(hidden / math.sqrt(2)) if gelu == "exact" else torch.tanh(inner)
    expected = y + (hidden / 2 * (1 + share)) @ block.mlp[3].weight.T + block.mlp[3].bias
    torch.testing.assert_close(block(x), expected, atol=1e-6, rtol=1e-6)
    assert block.mlp[0].out_features == 24


def test_attention_has_dropout_of_weights_and_of_what_comes_out() -> None:
    """Two dropouts of rate 1/4, as mmFormer has, keep 9/16 of the values, multiplied by 16/9."""
    torch.manual_seed(0)
    module = TransformerOptions(2, 1, 0.25).block(8).attention
    with torch.no_grad():
        module.out.weight.zero_()
        module.out.bias.fill_(9.0)
    made = module(torch.randn(1, 2000, 8))
    kept = made != 0
    torch.testing.assert_close(made[kept], torch.full((int(kept.sum()),), 16.0))
    assert kept.double().mean().item() == pytest.approx(9 / 16, abs=0.02)
    # Of the weights, a quarter: without it the average of ones is one.
    with torch.no_grad():
        module.qkv.weight.zero_()
    seen: list[torch.Tensor] = []
    module.out.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    module.qkv.register_forward_hook(lambda *_: torch.ones(1, 300, 24))
    module(torch.zeros(1, 300, 8))
    module.eval()(torch.zeros(1, 300, 8))
    torch.testing.assert_close(seen[1], torch.ones(1, 300, 8))
    # A mean of 300 weights that are 4/3 or 0.
    assert (seen[0] - 1).std().item() == pytest.approx(math.sqrt(1 / 3 / 300), rel=0.2)
