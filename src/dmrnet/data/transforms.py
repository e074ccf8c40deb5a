"""What is done to pictures at training: one draw for all modalities of a sample.

A transform takes a sample, ``{name: (C, H, W)}``, and a generator from which it draws once,
whatever the number of tensors: they are turned, cut and mirrored alike. Tensors named in `nearest`
are labels, which are never blended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

Sample = Mapping[str, Tensor]
"""``(C, H, W)`` for each name; of one size wherever a transform cuts or turns."""


class Transform(Protocol):
    """Turns a sample into another."""

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the sample changed by one draw."""
        ...


def uniform(draw: torch.Generator, low: float = 0.0, high: float = 1.0) -> float:
    """Draw a number evenly from [low, high)."""
    return low + (high - low) * float(torch.rand((), generator=draw, dtype=torch.float64))


def whole(draw: torch.Generator, low: int, high: int) -> int:
    """Draw a whole number from low to high, both among them."""
    return int(torch.randint(low, high + 1, (), generator=draw))


def size_of(sample: Sample) -> tuple[int, int]:
    """Return height and width, the same of all tensors.

    Raises:
        ValueError: If they differ.
    """
    sizes = {name: tuple(tensor.shape[-2:]) for name, tensor in sample.items()}
    if len(set(sizes.values())) != 1:
        raise ValueError(f"expected pictures of one size to change alike, got {sizes}")
    height, width = next(iter(sizes.values()))
    return height, width


@dataclass(frozen=True)
class Chain:
    """One transform after the other."""

    steps: Sequence[Transform]

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the sample after all steps."""
        changed = dict(sample)
        for step in self.steps:
            changed = step(changed, draw)
        return changed


@dataclass(frozen=True)
class Rotate:
    """Turn by a whole number of degrees, evenly drawn; black where nothing was.

    Attributes:
        degrees: Largest angle, to either side.
        share: Of the turned picture's bounding box that is kept around its middle, by side.
        nearest: Names of labels.
    """

    degrees: int
    share: float = 1.0
    nearest: frozenset[str] = frozenset()

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the sample turned."""
        size_of(sample)
        angle = whole(draw, -self.degrees, self.degrees)
        changed = {}
        for name, tensor in sample.items():
            way = InterpolationMode.NEAREST if name in self.nearest else InterpolationMode.BILINEAR
            turned = F.rotate(tensor, angle, interpolation=way, expand=True)
            cut = [int(side * self.share) for side in turned.shape[-2:]]
            changed[name] = F.center_crop(turned, cut)
        return changed


@dataclass(frozen=True)
class RandomCrop:
    """Cut out a window of a stated size, every place as likely.

    Attributes:
        height: Of the window.
        width: Of the window.
    """

    height: int
    width: int

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the window.

        Raises:
            ValueError: If the sample is smaller than it.
        """
        height, width = size_of(sample)
        if height < self.height or width < self.width:
            raise ValueError(
                f"expected pictures of {self.height}x{self.width} at least, got {height}x{width}"
            )
        top, left = whole(draw, 0, height - self.height), whole(draw, 0, width - self.width)
        return {
            name: F.crop(tensor, top, left, self.height, self.width)
            for name, tensor in sample.items()
        }


@dataclass(frozen=True)
class CentreCrop:
    """The middle of a picture, without a draw; black beyond its edges.

    Attributes:
        height: Of the window.
        width: Of the window.
    """

    height: int
    width: int

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the window."""
        window = [self.height, self.width]
        return {name: F.center_crop(tensor, window) for name, tensor in sample.items()}


@dataclass(frozen=True)
class Resize:
    """Bring pictures to a size, without a draw and whatever their shape.

    Attributes:
        height: Of what comes out.
        width: Of what comes out.
    """

    height: int
    width: int

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the sample, resized."""
        return {name: resized(tensor, self.height, self.width) for name, tensor in sample.items()}


@dataclass(frozen=True)
class RandomFlip:
    """Mirror left and right.

    Attributes:
        chance: How often.
    """

    chance: float = 0.5

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the sample, mirrored or not."""
        if uniform(draw) >= self.chance:
            return dict(sample)
        return {name: F.horizontal_flip(tensor) for name, tensor in sample.items()}


@dataclass(frozen=True)
class RandomResizedCrop:
    """Cut out a window of random area and shape and bring it to a size, as for ImageNet.

    Attributes:
        height: Of what comes out.
        width: Of what comes out.
        scale: Least and largest share of the area.
        ratio: Least and largest ratio of width to height.
        nearest: Names of labels.
    """

    height: int
    width: int
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    nearest: frozenset[str] = frozenset()

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the window, resized."""
        height, width = size_of(sample)
        low, high = (torch.tensor(side, dtype=torch.float64).log().item() for side in self.ratio)
        for _ in range(10):
            area = height * width * uniform(draw, *self.scale)
            ratio = torch.tensor(uniform(draw, low, high), dtype=torch.float64).exp().item()
            h, w = round((area / ratio) ** 0.5), round((area * ratio) ** 0.5)
            if 0 < h <= height and 0 < w <= width:
                break
        else:
            # As torchvision does where no window fits: the largest of an allowed shape.
            least, most = self.ratio
            h, w = min(height, round(width / least)), min(width, round(height * most))
        top, left = whole(draw, 0, height - h), whole(draw, 0, width - w)
        changed = {}
        for name, tensor in sample.items():
            way = InterpolationMode.NEAREST if name in self.nearest else InterpolationMode.BILINEAR
            changed[name] = F.resized_crop(
                tensor, top, left, h, w, [self.height, self.width], way, antialias=True
            )
        return changed


def resized(pictures: Tensor, height: int, width: int) -> Tensor:
    """Return pictures ``(..., C, H, W)`` at another size, without a draw, antialiased."""
    small: Tensor = F.resize(pictures, [height, width], InterpolationMode.BILINEAR, antialias=True)
    return small
