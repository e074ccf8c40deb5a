"""How ESANet sees images of rooms: sizes, colours and depth, with labels that follow."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dmrnet.data.sets.audio_visual import DEVIATION, MEAN
from dmrnet.data.split import generator
from dmrnet.data.transforms import (
    Chain,
    Colours,
    RandomCrop,
    RandomFlip,
    RandomRescale,
    Transform,
)

COLOURS = (MEAN, DEVIATION)
"""Mean and deviation of RGB, a number a channel, on the scale 0 to 255."""

NEAREST = frozenset({"depth", "labels"})
"""Never blended: a depth between near and far is nowhere."""


def changes(height: int, width: int) -> Transform:
    """Return what is done in training: enlarged up to 1.4 times, cut, recoloured, mirrored."""
    return Chain(
        (
            RandomRescale(1.0, 1.4, NEAREST),
            RandomCrop(height, width),
            Colours(("rgb",)),
            RandomFlip(),
        )
    )


@dataclass(frozen=True)
class Rooms:
    """Makes inputs and labels of stored images.

    Attributes:
        transform: In training; None elsewhere.
        seed: Of the run.
        depth: Mean and deviation of depth in millimetres.
        holes: A depth of 0 is a hole and stays 0.
    """

    transform: Transform | None
    seed: int
    depth: tuple[float, float]
    holes: bool

    def __call__(self, raw: dict[str, Tensor], rows: Tensor, epoch: int) -> dict[str, Tensor]:
        """Return float32 ``rgb`` and ``depth``, and ``labels`` int64 ``(b, H, W)``, -1 for void.

        Args:
            raw: ``rgb`` uint8 ``(b, 3, H, W)``; ``depth`` in millimetres and ``labels`` (0 for
                void) ``(b, 1, H, W)``.
            rows: int64 ``(b,)``.
            epoch: Of training.
        """
        seen = {"rgb": raw["rgb"], "depth": raw["depth"].float(), "labels": raw["labels"]}
        if self.transform is not None:
            changed = [
                self.transform(
                    {name: values[place] for name, values in seen.items()},
                    generator(self.seed, "augment", epoch, row),
                )
                for place, row in enumerate(rows.tolist())
            ]
            seen = {name: torch.stack([one[name] for one in changed]) for name in seen}
        mean, deviation = (torch.tensor(values).reshape(1, 3, 1, 1) for values in COLOURS)
        depth = (seen["depth"] - self.depth[0]) / self.depth[1]
        if self.holes:
            depth = torch.where(seen["depth"] == 0, 0.0, depth)
        return {
            "rgb": (seen["rgb"].float() - mean) / deviation,
            "depth": depth,
            "labels": seen["labels"][:, 0].long() - 1,
        }
