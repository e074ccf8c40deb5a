"""RFNet's regions and weights, against loops."""

from __future__ import annotations

import math

import pytest
import torch

from dmrnet.modalities import all_combinations
from dmrnet.nn.systems.rfnet import RegionMixing


@pytest.mark.parametrize("plane", [True, False])
def test_region_sums_equal_their_equations(plane: bool) -> None:
    torch.manual_seed(0)
    v, c, r, h, w = 3, 4, 2, *((2, 3) if plane else (1, 1))
    mix = RegionMixing(v, c, r, plane).double().eval()
    mask = all_combinations(v)
    maps = torch.randn(len(mask), v, c, h, w, dtype=torch.float64)
    maps = torch.where(mask[:, :, None, None, None], maps, 0.0)
    seen: list[torch.Tensor] = []
    mix.fuse.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    _, logits = mix(maps, mask)
    w1, b1, w2, b2 = (getattr(mix.weights, n).tolist() for n in ("w1", "b1", "w2", "b2"))
    positions = [(y, x) for y in range(h) for x in range(w)]
    for n in range(len(mask)):
        f = maps[n].tolist()
        q = logits[n].tolist()
        p = {
            (k, y, x): math.exp(q[k][y][x]) / sum(math.exp(q[j][y][x]) for j in range(r))
            for k in range(r)
            for y, x in positions
        }
        for k in range(r):
            share = sum(p[k, y, x] for y, x in positions) / len(positions)
            region = [
                [sum(f[u][a][y][x] * p[k, y, x] for y, x in positions) / len(positions)]
                for u in range(v)
                for a in range(c)
            ]
            descriptor = [value / (share + 1e-7) for (value,) in region] + [share]
            hidden = [
                sum(descriptor[i] * w1[k][i][j] for i in range(len(descriptor))) + b1[k][j]
                for j in range(len(b1[k]))
            ]
            hidden = [x if x > 0 else 0.2 * x for x in hidden]
            weight = [
                1 / (1 + math.exp(-sum(hidden[j] * w2[k][j][u] for j in range(128)) - b2[k][u]))
                for u in range(v)
            ]
            for a in range(c):
                for y, x in positions:
                    expected = sum(weight[u] * f[u][a][y][x] * p[k, y, x] for u in range(v))
                    got = seen[0].view(len(mask), r, c, h, w)[n, k, a, y, x].item()
                    assert got == pytest.approx(expected)
