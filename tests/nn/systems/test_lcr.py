"""LCR's correlation expression, attention and stand-in, against loops."""

from __future__ import annotations

import math

import pytest
import torch

from dmrnet.modalities import all_combinations
from dmrnet.nn.systems.lcr import Correlations, DualAttention, StandIn


def slow_gamma(module: torch.nn.Sequential, pooled: list[float]) -> list[float]:
    first, _, second = module
    hidden = []
    for row, bias in zip(first.weight.tolist(), first.bias.tolist(), strict=True):
        value = sum(w * x for w, x in zip(row, pooled, strict=True)) + bias
        hidden.append(value if value > 0 else 0.01 * value)
    return [
        sum(w * x for w, x in zip(row, hidden, strict=True)) + bias
        for row, bias in zip(second.weight.tolist(), second.bias.tolist(), strict=True)
    ]


@pytest.mark.parametrize(("own", "channelwise"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("modalities", [1, 2, 3])
def test_the_expression_equals_its_equation(modalities: int, own: bool, channelwise: bool) -> None:
    torch.manual_seed(0)
    channels, height, width = 4, 2, 3
    module = Correlations(modalities, channels, own, channelwise).double()
    mask = all_combinations(modalities)
    maps = torch.randn(len(mask), modalities, channels, height, width, dtype=torch.float64)
    maps = torch.where(mask[:, :, None, None, None], maps, 0.0)
    got = module(maps, mask)
    f = maps.tolist()
    for n in range(len(mask)):
        for i in range(modalities):
            pooled = [sum(map(sum, f[n][i][c])) / (height * width) for c in range(channels)]
            gamma = slow_gamma(module.estimate[i], pooled)
            others = [j for j in range(modalities) if own or modalities == 1 or j != i]
            step = channels if channelwise else 1
            assert len(gamma) == (len(others) + 1) * step
            for c in range(channels):
                at = c if channelwise else 0
                for h in range(height):
                    for w in range(width):
                        expected = gamma[len(others) * step + at] + sum(
                            gamma[k * step + at] * f[n][j][c][h][w] for k, j in enumerate(others)
                        )
                        assert got[n, i, c, h, w].item() == pytest.approx(expected)


def slow_softmax(row: list[float]) -> list[float]:
    return [math.exp(x) / sum(math.exp(y) for y in row) for x in row]


def test_attention_is_over_channels_and_positions() -> None:
    torch.manual_seed(0)
    module = DualAttention(4).double()
    x = torch.randn(2, 4, 2, 3, dtype=torch.float64)
    got = module(x)
    first, _, second, _ = module.channels
    conv = module.positions[0]
    for n in range(2):
        pooled = [sum(map(sum, x[n, c].tolist())) / 6 for c in range(4)]
        hidden = [
            max(0.0, sum(w * p for w, p in zip(row, pooled, strict=True)) + b)
            for row, b in zip(first.weight.tolist(), first.bias.tolist(), strict=True)
        ]
        channel = [
            1 / (1 + math.exp(-sum(w * h for w, h in zip(row, hidden, strict=True)) - b))
            for row, b in zip(second.weight.tolist(), second.bias.tolist(), strict=True)
        ]
        for h in range(2):
            for w in range(3):
                score = conv.bias.item() + sum(
                    conv.weight[0, c, 0, 0].item() * x[n, c, h, w].item() for c in range(4)
                )
                position = 1 / (1 + math.exp(-score))
                for c in range(4):
                    value = x[n, c, h, w].item()
                    assert got[n, c, h, w].item() == pytest.approx(value * (channel[c] + position))


def slow_divergence(one: torch.Tensor, other: torch.Tensor) -> float:
    """KL of two maps ``(C, H, W)`` over channels, averaged over positions."""
    p, q = (m.flatten(1).T.tolist() for m in (one, other))
    kls = [
        sum(a * math.log(a / b) for a, b in zip(slow_softmax(x), slow_softmax(y), strict=True))
        for x, y in zip(p, q, strict=True)
    ]
    return sum(kls) / len(kls)


def test_the_most_similar_visible_modality_stands_in() -> None:
    module = StandIn(3).double()
    draw = torch.Generator().manual_seed(0)
    masks = all_combinations(3)
    mean = [[0.0] * 3 for _ in range(3)]
    for step in range(1, 4):
        maps = torch.randn(len(masks), 3, 4, 2, 2, generator=draw, dtype=torch.float64)
        maps = torch.where(masks[:, :, None, None, None], maps, 0.0)
        got = module(maps, masks)
        for i in range(3):
            for j in range(3):
                rows = [n for n, m in enumerate(masks.tolist()) if m[i] and m[j]]
                now = sum(slow_divergence(maps[n, i], maps[n, j]) for n in rows) / len(rows)
                mean[i][j] += (now - mean[i][j]) / step
                assert module.distances[i, j].item() == pytest.approx(mean[i][j], abs=1e-6)
        for n, seen in enumerate(masks.tolist()):
            for i in range(3):
                shown = [j for j in range(3) if seen[j]]
                source = i if seen[i] else min(shown, key=lambda j: mean[i][j])
                assert torch.equal(got[n, i], maps[n, source])
    assert len({tuple(row) for row in module.distances.tolist()}) == 3
    before = module.distances.clone()
    module.eval()(maps, masks)
    assert torch.equal(module.distances, before)
    # A step without common samples of two modalities does not change their distance.
    alone = torch.eye(3, dtype=torch.bool)
    module.train()(torch.where(alone[:, :, None, None, None], maps[:3], 0.0), alone)
    torch.testing.assert_close(module.distances, before)
    assert module.steps.tolist() == [[4, 3, 3], [3, 4, 3], [3, 3, 4]]
