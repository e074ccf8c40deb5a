"""ResNets in plain functional torch, from their papers: the reference of the modules.

Weights are found by name in a state dict; no module is called. Batch norm is written out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


def shake(module: nn.Module) -> nn.Module:
    """Give weights, biases and running statistics other values than the initial ones."""
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2.0)
            elif value.dim() == 1:
                value.add_(0.2 * torch.randn_like(value))
    return module


class Plain:
    """Layers by name.

    Args:
        state: Weights by name.
        training: Batch norm by the batch's own statistics.
    """

    def __init__(self, state: Mapping[str, Tensor], training: bool) -> None:
        self.state = {name: value.clone() for name, value in state.items()}
        self.training = training

    def conv(self, name: str, x: Tensor, stride=1, padding=0, groups=1) -> Tensor:
        bias = self.state.get(f"{name}.bias")
        return F.conv2d(x, self.state[f"{name}.weight"], bias, stride, padding, groups=groups)

    def norm(self, name: str, x: Tensor, eps: float = 1e-5) -> Tensor:
        if self.training:
            mean = x.mean((0, 2, 3))
            variance = ((x - mean[:, None, None]) ** 2).mean((0, 2, 3))
        else:
            mean = self.state[f"{name}.running_mean"]
            variance = self.state[f"{name}.running_var"]
        scale = self.state[f"{name}.weight"] / (variance + eps).sqrt()
        return (x - mean[:, None, None]) * scale[:, None, None] + self.state[f"{name}.bias"][
            :, None, None
        ]

    def linear(self, name: str, x: Tensor) -> Tensor:
        return x @ self.state[f"{name}.weight"].T + self.state[f"{name}.bias"]

    def block(self, name: str, x: Tensor, stride: int) -> Tensor:
        """Recognise the residual branch by the names of its convolutions."""
        shortcut = x
        if f"{name}.downsample.0.weight" in self.state:
            shortcut = self.conv(f"{name}.downsample.0", x, stride)
            shortcut = self.norm(f"{name}.downsample.1", shortcut)
        if f"{name}.conv3.weight" in self.state:
            y = self.norm(f"{name}.bn1", self.conv(f"{name}.conv1", x)).relu()
            y = self.norm(f"{name}.bn2", self.conv(f"{name}.conv2", y, stride, 1)).relu()
            y = self.norm(f"{name}.bn3", self.conv(f"{name}.conv3", y))
        elif f"{name}.conv1.weight" in self.state:
            y = self.norm(f"{name}.bn1", self.conv(f"{name}.conv1", x, stride, 1)).relu()
            y = self.norm(f"{name}.bn2", self.conv(f"{name}.conv2", y, 1, 1))
        else:
            y = self.conv(f"{name}.conv3x1_1", x, (stride, 1), (1, 0)).relu()
            y = self.conv(f"{name}.conv1x3_1", y, (1, stride), (0, 1))
            y = self.norm(f"{name}.bn1", y, 1e-3).relu()
            y = self.conv(f"{name}.conv3x1_2", y, 1, (1, 0)).relu()
            y = self.norm(f"{name}.bn2", self.conv(f"{name}.conv1x3_2", y, 1, (0, 1)), 1e-3)
        return (y + shortcut).relu()

    def stage(self, name: str, x: Tensor, blocks: int, stride: int) -> Tensor:
        for number in range(blocks):
            x = self.block(f"{name}.{number}", x, stride if number == 0 else 1)
        return x

    def stem(self, name: str, x: Tensor, kernel: int) -> Tensor:
        return self.norm(f"{name}.1", self.conv(f"{name}.0", x, 2, kernel // 2)).relu()

    def excite(self, name: str, x: Tensor) -> Tensor:
        mean = x.mean((2, 3))
        hidden = (mean @ self.state[f"{name}.fc1.weight"][:, :, 0, 0].T).add(
            self.state[f"{name}.fc1.bias"]
        )
        weight = (hidden.relu() @ self.state[f"{name}.fc2.weight"][:, :, 0, 0].T).add(
            self.state[f"{name}.fc2.bias"]
        )
        return x * (1 / (1 + torch.exp(-weight)))[:, :, None, None]


def pool(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, 2, 1)


def hide(x: Tensor, column: Tensor) -> Tensor:
    """Zero hidden features, sample by sample."""
    rows = zip(x, column.tolist(), strict=True)
    return torch.stack([row if seen else torch.zeros_like(row) for row, seen in rows])


def stretches(length: int, cells: int) -> list[slice]:
    """Return start and end of each cell of a line: [i n/k, (i+1) n/k), rounded outwards."""
    return [slice(i * length // cells, -(-(i + 1) * length // cells)) for i in range(cells)]


def slow_grid(feature: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Bring one sample's map (C, h, w) to a grid, cell by cell."""
    channels, h, w = feature.shape
    out = np.zeros((channels, *grid))
    for c in range(channels):
        for row in range(grid[0]):
            for column in range(grid[1]):
                if h == w == 1:
                    cell = feature[c]
                elif h == 1 and grid[0] > 1:
                    place = stretches(w, grid[0] * grid[1])[row * grid[1] + column]
                    cell = feature[c, 0, place]
                else:
                    rows, columns = stretches(h, grid[0])[row], stretches(w, grid[1])[column]
                    cell = feature[c, rows, columns]
                out[c, row, column] = cell.mean()
    return out
