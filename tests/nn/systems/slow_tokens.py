"""Tokens and transformer layers by loops over samples, tokens and channels."""

from __future__ import annotations

import math

import torch
from tests.nn.layers.test_transformer import slow_attention, times
from torch import Tensor, nn

from dmrnet.nn.layers.transformer import TransformerBlock

Tokens = list[list[float]]


def plus(x: list[float], y: list[float]) -> list[float]:
    return [a + b for a, b in zip(x, y, strict=True)]


def linear(layer: nn.Linear, x: list[float]) -> list[float]:
    out = times(layer.weight.tolist(), x)
    return out if layer.bias is None else plus(out, layer.bias.tolist())


def norm(layer: nn.LayerNorm, x: list[float]) -> list[float]:
    mean = sum(x) / len(x)
    deviation = math.sqrt(sum((a - mean) ** 2 for a in x) / len(x) + layer.eps)
    scaled = zip(x, layer.weight.tolist(), layer.bias.tolist(), strict=True)
    return [(a - mean) / deviation * w + b for a, w, b in scaled]


def gelu(layer: nn.GELU, x: float) -> float:
    if layer.approximate == "tanh":
        return x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x / 2 * (1 + math.erf(x / math.sqrt(2)))


def slow_block(block: TransformerBlock, tokens: Tokens) -> Tokens:
    """Return the tokens after attention and network, each after a norm and with a residual."""
    normed = [norm(block.norm1, token) for token in tokens]
    attended = slow_attention(block.attention, normed, [True] * len(tokens))
    tokens = [plus(x, y) for x, y in zip(tokens, attended, strict=True)]
    first, activation, _, second, _ = block.mlp
    out = []
    for token in tokens:
        hidden = [gelu(activation, x) for x in linear(first, norm(block.norm2, token))]
        out.append(plus(token, linear(second, hidden)))
    return out


def slow_projected(project: nn.Linear, maps: Tensor) -> Tokens:
    """Return one projected token for each position of ``(C, H, W)``, row by row."""
    _, height, width = maps.shape
    return [linear(project, maps[:, y, x].tolist()) for y in range(height) for x in range(width)]


def doubled(module: nn.Module) -> nn.Module:
    """Return a module in float64 and evaluation mode, every parameter of it random."""
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.double().parameters():
            parameter.normal_(0, 0.5, generator=draw)
    return module.eval()
