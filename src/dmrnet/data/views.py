"""Views: from rows as they are stored to the inputs of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dmrnet.data.transforms import Transform, transform_rows

IMAGENET_MEAN = tuple(255 * value for value in (0.485, 0.456, 0.406))
IMAGENET_DEVIATION = tuple(255 * value for value in (0.229, 0.224, 0.225))
"""Mean and deviation of each channel of RGB, on the scale 0 to 255."""


class View(Protocol):
    """How a model sees stored rows."""

    def __call__(self, raw: dict[str, Tensor], rows: Tensor, epoch: int) -> dict[str, Tensor]:
        """Return float32 inputs ``(b, ...)`` by modality.

        Where every pixel has a class, also ``labels``, int64 ``(b, H, W)``, -1 for no class.

        Args:
            raw: Rows of each stored array.
            rows: int64 tensor ``(b,)`` of row numbers in the data set, which seed augmentation.
            epoch: Training epoch, which seeds augmentation.
        """
        ...


@dataclass(frozen=True)
class PictureView:
    """Images, augmented in training, then ``(x - mean) / deviation``.

    Attributes:
        names: Names of the images among the arrays; other arrays stay as they are.
        mean: One number, or one for each channel, on the scale 0 to 255.
        deviation: One number, or one for each channel, on the scale 0 to 255.
        transform: Augmentation or fixed change of each image, if any.
        seed: Seed of the run.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    transform: Transform | None = None
    seed: int = 0

    def __call__(self, raw: dict[str, Tensor], rows: Tensor, epoch: int) -> dict[str, Tensor]:
        """Return the images as float32, and the other arrays."""
        images = {name: raw[name] for name in self.names}
        if self.transform is not None:
            images = transform_rows(images, self.transform, self.seed, rows, epoch)
        mean, deviation = by_channel(self.mean), by_channel(self.deviation)
        return raw | {
            name: image.float().sub_(mean).div_(deviation) for name, image in images.items()
        }


def by_channel(values: Sequence[float]) -> Tensor:
    """Return one number, or one for each channel, in a shape that broadcasts over images."""
    return torch.tensor(values).reshape(1, -1, 1, 1)


@dataclass(frozen=True)
class ChannelView:
    """Each channel of stored images as a modality, ``(x - mean) / deviation``.

    It reads ``images`` ``(b, V, H, W)`` and ``labels`` ``(b, 1, H, W)``.

    Attributes:
        names: Modality of each channel.
        mean: Mean of each channel.
        deviation: Deviation of each channel.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __call__(self, raw: dict[str, Tensor], rows: Tensor, epoch: int) -> dict[str, Tensor]:
        """Return float32 ``(b, 1, H, W)`` for each modality, and ``labels``."""
        channels = zip(self.names, self.mean, self.deviation, strict=True)
        inputs = {
            name: (raw["images"][:, channel : channel + 1].float() - mean) / deviation
            for channel, (name, mean, deviation) in enumerate(channels)
        }
        return inputs | {"labels": raw["labels"][:, 0].long()}


@dataclass(frozen=True)
class StandardisedView:
    """Images that are stored standardised, ``(b, C, H, W)``, and ``labels`` ``(b, 1, H, W)``.

    Attributes:
        names: Modalities, each an array of that name.
    """

    names: tuple[str, ...]

    def __call__(self, raw: dict[str, Tensor], rows: Tensor, epoch: int) -> dict[str, Tensor]:
        """Return the images as they are, and ``labels``."""
        return {name: raw[name] for name in self.names} | {"labels": raw["labels"][:, 0].long()}
