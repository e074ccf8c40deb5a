"""Encoders with synchronised norms, on one process or on two that share the rows."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from dmrnet.modalities import Modality
from dmrnet.nn import build_encoder, encode_rows, output_shape, synchronise
from dmrnet.nn.layers.norm import BatchNorm

ROWS, WORLD = 7, 2  # the first process has one row more
HAVE = {
    "all": [0, 1, 2, 3, 4, 5, 6],
    "one process without": [1, 3, 5],
    "one row of all": [2],
    "none": [],
}
SHAPES = {"vector": (5,), "sequence": (2, 12), "image": (1, 9, 9), "volume": (1, 4, 8, 8)}


def encoders() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    """Return encoders with norms, by name, and the shape of a sample."""
    torch.manual_seed(0)
    listed: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
        kind: (build_encoder(Modality(kind, kind, shape), 6), shape)  # type: ignore[arg-type]
        for kind, shape in SHAPES.items()
    }
    timm = build_encoder(Modality("rgb", "image", (3, 32, 32)), 6, "timm:resnet10t")
    listed["timm"] = timm, (3, 32, 32)
    listed["average"] = nn.Sequential(BatchNorm(3, momentum=None)), (3, 2, 2)
    foreign = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3, affine=False))
    listed["foreign"] = foreign, (2, 4, 4)
    return listed


def added(tensor: Tensor, world: int) -> Tensor:
    """Return the sum of a tensor over all processes."""
    total = tensor.clone()
    if world > 1:
        dist.all_reduce(total)
    return total


def run(rank: int, world: int) -> dict[str, Any]:
    """Return outputs of this process's rows, gradients of all, and statistics afterwards."""
    seen: dict[str, Any] = {}
    for name, (encoder, shape) in encoders().items():
        size = output_shape(encoder, shape)
        for case, have in HAVE.items():
            mine = copy.deepcopy(encoder).double().train()
            synchronise(mine)
            generator = torch.Generator().manual_seed(1)
            # Far from zero, where sums of squares would lose the variance.
            x = torch.randn(ROWS, *shape, generator=generator, dtype=torch.float64) + 1e4
            weights = torch.randn(ROWS, *size, generator=generator, dtype=torch.float64)
            own = torch.arange(ROWS)[rank::world]
            rows = torch.tensor([i for i, row in enumerate(own.tolist()) if row in have]).long()
            y = encode_rows(mine, x[own], rows, size)
            (y * weights[own]).sum().backward()
            seen[f"{name}, {case}"] = {
                "outputs": y.detach(),
                "gradients": [added(p.grad, world) for p in mine.parameters()],  # type: ignore[arg-type]
                "state": {key: value.clone() for key, value in mine.state_dict().items()},
                # Evaluation does not wait for the other process.
                "evaluated": mine.eval()(x[:1]).detach() if rank == 0 else None,
            }
    return seen
