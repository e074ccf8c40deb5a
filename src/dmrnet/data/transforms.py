"""Augmentation of images: one random draw changes all modalities of a sample alike.

A transform takes a sample, ``{name: (C, H, W)}``, and the generator to draw from, which is seeded
by (seed, epoch, row). The operations are torchvision's. Labels and whatever else must not be
blended are `torchvision.tv_tensors.Mask`, which torchvision resizes and rotates to the nearest
pixel.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from dmrnet.data.split import generator

Sample = Mapping[str, Tensor]
"""Tensors ``(C, H, W)`` by name."""


class Transform(Protocol):
    """A random change of a sample."""

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the changed sample.

        Args:
            sample: Tensors ``(C, H, W)`` of one size.
            draw: Generator of what is random; the number of tensors does not change the draws.
        """
        ...


def transform_rows(
    batch: Mapping[str, Tensor],
    transform: Transform,
    seed: int,
    rows: Tensor,
    epoch: int,
    masks: Collection[str] = (),
) -> dict[str, Tensor]:
    """Transform each sample of a batch with its own generator.

    Args:
        batch: Tensors ``(b, C, H, W)`` by name.
        transform: Transform of one sample.
        seed: Seed of the run.
        rows: int64 tensor ``(b,)`` of row numbers.
        epoch: Training epoch.
        masks: Names of the tensors that must not be blended.
    """
    changed = []
    for position, row in enumerate(rows.tolist()):
        sample = {
            name: tv_tensors.Mask(values[position]) if name in masks else values[position]
            for name, values in batch.items()
        }
        changed.append(transform(sample, generator(seed, "augment", epoch, row)))
    return {name: torch.stack([sample[name] for sample in changed]) for name in batch}


def uniform(draw: torch.Generator, low: float = 0.0, high: float = 1.0) -> float:
    """Draw a number uniformly from [low, high)."""
    return low + (high - low) * float(torch.rand((), generator=draw, dtype=torch.float64))


def integer(draw: torch.Generator, low: int, high: int) -> int:
    """Draw an integer uniformly from low to high, both included."""
    return int(torch.randint(low, high + 1, (), generator=draw))


def size_of(sample: Sample) -> tuple[int, int]:
    """Return the height and width that all tensors share.

    Raises:
        ValueError: If they differ.
    """
    sizes = {name: tuple(tensor.shape[-2:]) for name, tensor in sample.items()}
    if len(set(sizes.values())) != 1:
        raise ValueError(f"expected images of one size to change alike, got {sizes}")
    height, width = next(iter(sizes.values()))
    return height, width


@dataclass(frozen=True)
class Chain:
    """Several transforms, one after the other."""

    steps: Sequence[Transform]

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the sample after all steps."""
        changed = dict(sample)
        for step in self.steps:
            changed = step(changed, draw)
        return changed


@dataclass(frozen=True)
class Rotate:
    """Rotation by a random whole number of degrees; the corners that it uncovers are black.

    Attributes:
        degrees: Largest angle to either side.
        share: Share of the rotated image's bounding box to keep around the centre, by side.
    """

    degrees: int
    share: float = 1.0

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the rotated sample."""
        size_of(sample)
        angle = integer(draw, -self.degrees, self.degrees)
        changed = {}
        for name, tensor in sample.items():
            turned = F.rotate(tensor, angle, InterpolationMode.BILINEAR, expand=True)
            size = [int(side * self.share) for side in turned.shape[-2:]]
            changed[name] = F.center_crop(turned, size)
        return changed


@dataclass(frozen=True)
class Sized:
    """Base class of transforms to a fixed size.

    Attributes:
        height: Height of the result.
        width: Width of the result.
    """

    height: int
    width: int


@dataclass(frozen=True)
class RandomCrop(Sized):
    """A window of fixed size at a random position."""

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the window.

        Raises:
            ValueError: If the sample is smaller than the window.
        """
        height, width = size_of(sample)
        if height < self.height or width < self.width:
            raise ValueError(
                f"expected images of at least {self.height}x{self.width}, got {height}x{width}"
            )
        top, left = integer(draw, 0, height - self.height), integer(draw, 0, width - self.width)
        return {
            name: F.crop(tensor, top, left, self.height, self.width)
            for name, tensor in sample.items()
        }


@dataclass(frozen=True)
class CentreCrop(Sized):
    """The centre of the image; black beyond its edges. Not random."""

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the centre."""
        size = [self.height, self.width]
        return {name: F.center_crop(tensor, size) for name, tensor in sample.items()}


@dataclass(frozen=True)
class Resize(Sized):
    """Antialiased resizing, whatever the aspect ratio. Not random."""

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the resized sample."""
        size = [self.height, self.width]
        return {name: F.resize(tensor, size, antialias=True) for name, tensor in sample.items()}


@dataclass(frozen=True)
class RandomFlip:
    """Left-right flip.

    Attributes:
        chance: Probability of the flip.
    """

    chance: float = 0.5

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the sample, flipped or not."""
        if uniform(draw) >= self.chance:
            return dict(sample)
        return {name: F.horizontal_flip(tensor) for name, tensor in sample.items()}


@dataclass(frozen=True)
class Symmetry:
    """One of the eight rotations and reflections of a square, for images taken from above."""

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the sample rotated by a multiple of 90 degrees, and flipped or not.

        Raises:
            ValueError: If the images are not square.
        """
        height, width = size_of(sample)
        if height != width:
            raise ValueError(f"expected square images, got {height}x{width}")
        number = integer(draw, 0, 7)
        changed = {}
        for name, tensor in sample.items():
            turned = torch.rot90(tensor, number % 4, (-2, -1))
            changed[name] = turned if number < 4 else F.horizontal_flip(turned)
        return {name: tv_tensors.wrap(changed[name], like=sample[name]) for name in changed}


@dataclass(frozen=True)
class RandomRescale:
    """Resizing by a random factor.

    Attributes:
        low: Smallest factor.
        high: Largest factor.
    """

    low: float
    high: float

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the resized sample."""
        height, width = size_of(sample)
        factor = uniform(draw, self.low, self.high)
        size = [round(height * factor), round(width * factor)]
        return {name: F.resize(tensor, size, antialias=True) for name, tensor in sample.items()}


@dataclass(frozen=True)
class RandomResizedCrop(Sized):
    """A window of random area and aspect ratio, resized to a fixed size, as for ImageNet.

    Attributes:
        scale: Smallest and largest share of the area.
        ratio: Smallest and largest ratio of width to height.
    """

    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the resized window."""
        height, width = size_of(sample)
        low, high = (torch.tensor(side, dtype=torch.float64).log().item() for side in self.ratio)
        for _ in range(10):
            area = height * width * uniform(draw, *self.scale)
            ratio = torch.tensor(uniform(draw, low, high), dtype=torch.float64).exp().item()
            h, w = round((area / ratio) ** 0.5), round((area * ratio) ** 0.5)
            if 0 < h <= height and 0 < w <= width:
                break
        else:
            # As in torchvision: the largest window of an allowed aspect ratio.
            least, most = self.ratio
            h, w = min(height, round(width / least)), min(width, round(height * most))
        top, left = integer(draw, 0, height - h), integer(draw, 0, width - w)
        size = [self.height, self.width]
        return {
            name: F.resized_crop(tensor, top, left, h, w, size, antialias=True)
            for name, tensor in sample.items()
        }
