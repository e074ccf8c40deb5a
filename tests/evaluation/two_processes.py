"""Metrics on all rows of made samples, or on those of one process of several."""

from __future__ import annotations

import torch
from torch import Tensor

from dmrnet.evaluation import ACER, APCER, AttackThreshold, PixelIoU


def attacks(rank: int, world: int) -> list[Tensor]:
    """Return what metrics of attacks compute; of 31 samples two processes have 16 and 15."""
    draw = torch.Generator().manual_seed(0)
    score = torch.rand(31, generator=draw)
    target = torch.randint(2, (31,), generator=draw)
    kind = torch.randint(3, (31,), generator=draw)
    computed = []
    for metric in (ACER(), APCER(types=3, over="each"), AttackThreshold("eer")):
        parts = [score, target, *([kind] if isinstance(metric, APCER) else [])]
        metric.update(*(part[rank::world] for part in parts))
        computed.append(metric.compute())
    return computed


def pixels(rank: int, world: int) -> list[Tensor]:
    """Return the mean IoU and that of each class; of 5 images two processes have 3 and 2."""
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 4, 5, 7, generator=draw)
    target = torch.randint(-1, 3, (5, 5, 7), generator=draw)
    computed = []
    for over in ("mean", "each"):
        metric = PixelIoU(4, over)  # type: ignore[arg-type]
        metric.update(logits[rank::world], target[rank::world])
        computed.append(metric.compute())
    return computed
