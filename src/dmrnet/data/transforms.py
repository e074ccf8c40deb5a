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
class Symmetry:
    """Lay a square in one of its eight ways, each as likely: for what is seen from above."""

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the sample turned by quarters, and mirrored or not.

        Raises:
            ValueError: If it is no square.
        """
        height, width = size_of(sample)
        if height != width:
            raise ValueError(f"expected squares to lay in eight ways, got {height}x{width}")
        way = whole(draw, 0, 7)
        changed = {name: torch.rot90(tensor, way % 4, (-2, -1)) for name, tensor in sample.items()}
        if way < 4:
            return changed
        return {name: F.horizontal_flip(tensor) for name, tensor in changed.items()}


@dataclass(frozen=True)
class RandomRescale:
    """Enlarge or shrink by one factor, evenly drawn.

    Attributes:
        low: Least factor.
        high: Largest factor.
        nearest: Names of what is never blended.
    """

    low: float
    high: float
    nearest: frozenset[str] = frozenset()

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the sample at the new size."""
        height, width = size_of(sample)
        factor = uniform(draw, self.low, self.high)
        size = [round(height * factor), round(width * factor)]
        changed = {}
        for name, tensor in sample.items():
            soft = name not in self.nearest
            way = InterpolationMode.BILINEAR if soft else InterpolationMode.NEAREST
            changed[name] = F.resize(tensor, size, way, antialias=soft)
        return changed


@dataclass(frozen=True)
class Colours:
    """Change hue, saturation and brightness of some tensors; others are left alone.

    Hue and saturation are multiplied by a factor each, brightness is moved, as in the ESANet of
    the paper's released code.

    Attributes:
        names: Of tensors uint8 ``(3, H, W)`` in RGB.
        factor: Hue and saturation are multiplied by 1 more or less than this at the most.
        move: Brightness, from 0 to 255, is moved by so much at the most.
    """

    names: tuple[str, ...]
    factor: float = 0.1
    move: float = 25.0

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the sample recoloured."""
        changed = dict(sample)
        for name in self.names:
            hue, saturation = (uniform(draw, 1 - self.factor, 1 + self.factor) for _ in range(2))
            value = uniform(draw, -self.move, self.move)
            h, s, v = to_hsv(sample[name].float() / 255).unbind(0)
            moved = torch.stack([(h * hue) % 1, (s * saturation).clamp(0, 1), v + value / 255])
            moved[2].clamp_(0, 1)
            changed[name] = (to_rgb(moved) * 255).round().to(sample[name].dtype)
        return changed


def to_hsv(rgb: Tensor) -> Tensor:
    """Return hue, saturation and value of colours, all from 0 to 1.

    Args:
        rgb: float ``(3, ...)`` from 0 to 1.

    >>> to_hsv(torch.tensor([0.0, 0.5, 0.0])).tolist()
    [0.3333333432674408, 1.0, 0.5]
    """
    value, which = rgb.max(0)
    spread = value - rgb.min(0).values
    safe = torch.where(spread == 0, 1.0, spread)
    r, g, b = rgb.unbind(0)
    sixths = torch.stack([(g - b) / safe % 6, (b - r) / safe + 2, (r - g) / safe + 4])
    hue = sixths.gather(0, which[None])[0] / 6
    hue = torch.where(spread == 0, 0.0, hue)
    saturation = torch.where(value == 0, 0.0, spread / torch.where(value == 0, 1.0, value))
    return torch.stack([hue, saturation, value])


def to_rgb(hsv: Tensor) -> Tensor:
    """Return red, green and blue of what `to_hsv` gave.

    >>> to_rgb(torch.tensor([2 / 3, 0.5, 1.0])).tolist()
    [0.5, 0.5, 1.0]
    """
    hue, saturation, value = hsv.unbind(0)
    parts = []
    for shift in (5.0, 3.0, 1.0):
        k = (shift + hue * 6) % 6
        parts.append(value - value * saturation * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(parts)


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
