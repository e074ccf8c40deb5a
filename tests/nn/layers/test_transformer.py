"""Attention and transformer layers, against loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from dmrnet.nn.layers.transformer import Attention, TransformerBlock


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


def test_a_block_is_norm_attention_norm_network_with_residuals() -> None:
    block = TransformerBlock(8, 2, 3, 0.3).eval()
    x = torch.randn(2, 4, 8)
    y = x + block.attention(nn.functional.layer_norm(x, (8,)))
    hidden = nn.functional.layer_norm(y, (8,)) @ block.mlp[0].weight.T + block.mlp[0].bias
    inner = math.sqrt(2 / math.pi) * (hidden + 0.044715 * hidden**3)
    expected = (
        y + (hidden / 2 * (1 + torch.tanh(inner))) @ block.mlp[3].weight.T + block.mlp[3].bias
    )
    torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-5)
    assert block.mlp[0].out_features == 24
