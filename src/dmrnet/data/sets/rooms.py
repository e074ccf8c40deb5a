"""How ESANet sees images of rooms: RGB and depth, normalised and, in training, augmented."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dmrnet.data.colours import Colours
from dmrnet.data.transforms import (
    Chain,
    RandomCrop,
    RandomFlip,
    RandomRescale,
    Transform,
    transform_rows,
)
from dmrnet.data.views import IMAGENET_DEVIATION, IMAGENET_MEAN, by_channel


def augmentation(height: int, width: int) -> Transform:
    """Return the augmentation: enlarge by up to 1.4, crop, recolour and flip."""
    steps = (RandomRescale(1.0, 1.4), RandomCrop(height, width), Colours(("rgb",)), RandomFlip())
    return Chain(steps)


@dataclass(frozen=True)
class RoomView:
    """RGB and depth, normalised, and labels.

    It reads ``rgb``, uint8 ``(b, 3, H, W)``; ``depth``, in millimetres, and ``labels``, 0 for no
    class, ``(b, 1, H, W)``.

    Attributes:
        depth: Mean and deviation of depth in millimetres.
        holes: Whether a depth of 0 is a hole that stays 0.
        transform: Augmentation, if any.
        seed: Seed of the run.
    """

    depth: tuple[float, float]
    holes: bool
    transform: Transform | None = None
    seed: int = 0

    def __call__(self, raw: dict[str, Tensor], rows: Tensor, epoch: int) -> dict[str, Tensor]:
        """Return ``rgb``, ``depth`` and ``labels``."""
        seen = {"rgb": raw["rgb"], "depth": raw["depth"].float(), "labels": raw["labels"]}
        if self.transform is not None:
            # Depth is not blended either: between near and far there may be nothing.
            masks = ("depth", "labels")
            seen = transform_rows(seen, self.transform, self.seed, rows, epoch, masks)
        depth = (seen["depth"] - self.depth[0]) / self.depth[1]
        if self.holes:
            depth = torch.where(seen["depth"] == 0, 0.0, depth)
        mean, deviation = by_channel(IMAGENET_MEAN), by_channel(IMAGENET_DEVIATION)
        return {
            "rgb": (seen["rgb"].float() - mean) / deviation,
            "depth": depth,
            "labels": seen["labels"][:, 0].long() - 1,
        }
