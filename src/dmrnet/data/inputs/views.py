"""Views: from rows as they are stored to the inputs of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision import tv_tensors

from dmrnet.data.inputs.standardise import Scale
from dmrnet.data.inputs.transforms import Transform
from dmrnet.data.splits.split import generator

IMAGENET = (
    tuple(255 * value for value in (0.485, 0.456, 0.406)),
    tuple(255 * value for value in (0.229, 0.224, 0.225)),
)
"""Mean and deviation of each channel of RGB, on the scale 0 to 255."""

View = Callable[[dict[str, Tensor], Tensor, int], dict[str, Tensor]]
"""Function from stored arrays, row numbers and the epoch to a model's inputs by modality.

Inputs are float32 ``(b, ...)``. Where every pixel has a class, also ``labels``, int64
``(b, H, W)``, -1 for no class. Row numbers, int64 ``(b,)``, and the epoch seed augmentation.
"""


@dataclass(frozen=True)
class ImageView:
    """Images, augmented in training, then ``(x - mean) / deviation``.

    Other stored arrays are augmented, too; ``labels`` ``(b, 1, H, W)`` become classes.

    Attributes:
        scales: Mean and deviation by image; others stay as they are.
        channels: Images that are the channels of one stored array ``images``, in order.
        holes: Images in which 0 is a hole that stays 0.
        nearest: Arrays that augmentation must not blend.
        first_label: Number in ``labels`` of the first class.
        transform: Augmentation or fixed change of each sample, if any; it is seeded by (seed,
            epoch, row).
        seed: Seed of the run.
    """

    scales: Mapping[str, Scale]
    channels: tuple[str, ...] = ()
    holes: tuple[str, ...] = ()
    nearest: tuple[str, ...] = ()
    first_label: int = 0
    transform: Transform | None = None
    seed: int = 0

    def __call__(self, raw: dict[str, Tensor], rows: Tensor, epoch: int) -> dict[str, Tensor]:
        """Return the scaled images, as float32, and the other arrays."""
        seen = dict(raw)
        if self.channels:
            seen |= zip(self.channels, seen.pop("images").split(1, 1), strict=True)
        if self.transform is not None:
            changed = [
                self._changed({name: array[position] for name, array in seen.items()}, row, epoch)
                for position, row in enumerate(rows.tolist())
            ]
            seen = {name: torch.stack([sample[name] for sample in changed]) for name in seen}
        for name, scale in self.scales.items():
            mean, deviation = (torch.tensor(values).reshape(1, -1, 1, 1) for values in scale)
            scaled = seen[name].float().sub(mean).div_(deviation)
            seen[name] = torch.where(seen[name] == 0, 0.0, scaled) if name in self.holes else scaled
        if "labels" in seen:
            seen["labels"] = seen["labels"][:, 0].long() - self.first_label
        return seen

    def _changed(self, sample: dict[str, Tensor], row: int, epoch: int) -> dict[str, Tensor]:
        assert self.transform is not None
        masks = {name: tv_tensors.Mask(sample[name]) for name in self.nearest}
        return self.transform(sample | masks, generator(self.seed, "augment", epoch, row))
