"""Augmentation of images: one random draw changes all modalities of a sample alike, but `Colours`.

A transform takes a sample, ``{name: (C, H, W)}``, and the generator to draw from, which is seeded
by (seed, epoch, row). The operations are torchvision's. Labels and whatever else must not be
blended are `torchvision.tv_tensors.Mask`, which torchvision resizes and rotates to the nearest
pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

Sample = Mapping[str, Tensor]
"""Tensors ``(C, H, W)`` by name."""

Transform = Callable[[Sample, torch.Generator], dict[str, Tensor]]
"""A random change of a sample with tensors of one size, whose number does not change the draws."""


def uniform(draw: torch.Generator, low: float = 0.0, high: float = 1.0) -> float:
    """Draw a number uniformly from [low, high)."""
    return low + (high - low) * float(torch.rand((), generator=draw, dtype=torch.float64))


def integer(draw: torch.Generator, low: int, high: int) -> int:
    """Draw an integer uniformly from low to high, both included."""
    return int(torch.randint(low, high + 1, (), generator=draw))


def size_of(sample: Sample) -> tuple[int, int]:
    """Return the height and width of all tensors; raise `ValueError` if they differ."""
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

    @property
    def size(self) -> list[int]:
        """Height and width."""
        return [self.height, self.width]


@dataclass(frozen=True)
class RandomCrop(Sized):
    """A window of fixed size at a random position."""

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the window; raise `ValueError` if the sample is smaller."""
        height, width = size_of(sample)
        if height < self.height or width < self.width:
            raise ValueError(
                f"expected images of at least {self.height}x{self.width}, got {height}x{width}"
            )
        top, left = integer(draw, 0, height - self.height), integer(draw, 0, width - self.width)
        return {name: F.crop(tensor, top, left, *self.size) for name, tensor in sample.items()}


@dataclass(frozen=True)
class CentreCrop(Sized):
    """The centre of the image; black beyond its edges. Not random."""

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the centre."""
        return {name: F.center_crop(tensor, self.size) for name, tensor in sample.items()}


@dataclass(frozen=True)
class Resize(Sized):
    """Antialiased resizing, whatever the aspect ratio. Not random."""

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the resized sample."""
        return {
            name: F.resize(tensor, self.size, antialias=True) for name, tensor in sample.items()
        }


@dataclass(frozen=True)
class RandomFlip:
    """Left-right flip of every second sample."""

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the sample, flipped or not."""
        if uniform(draw) >= 0.5:
            return dict(sample)
        return {name: F.horizontal_flip(tensor) for name, tensor in sample.items()}


@dataclass(frozen=True)
class Symmetry:
    """One of the eight rotations and reflections of a square, for images taken from above."""

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the changed sample; raise `ValueError` if it is not square."""
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
        return {
            name: F.resized_crop(tensor, top, left, h, w, self.size, antialias=True)
            for name, tensor in sample.items()
        }


@dataclass(frozen=True)
class Colours:
    """Random hue, saturation and brightness of some tensors, as ESANet in the released code.

    Torchvision's colour jitter adds to the hue and multiplies the brightness; this multiplies the
    hue and adds to the brightness.

    Attributes:
        names: Names of uint8 tensors ``(3, H, W)`` in RGB; others stay as they are.
        factor: Hue and saturation are multiplied by a factor from 1 - this to 1 + this.
        shift: Largest change of the brightness, which runs from 0 to 255.
    """

    names: tuple[str, ...]
    factor: float = 0.1
    shift: float = 25.0

    def __call__(self, sample: Sample, draw: torch.Generator) -> dict[str, Tensor]:
        """Return the recoloured sample."""
        changed = dict(sample)
        for name in self.names:
            hue, saturation = (uniform(draw, 1 - self.factor, 1 + self.factor) for _ in range(2))
            brightness = uniform(draw, -self.shift, self.shift) / 255
            h, s, v = to_hsv(sample[name].float() / 255).unbind(0)
            moved = torch.stack([(h * hue) % 1, (s * saturation).clamp(0, 1), v + brightness])
            moved[2].clamp_(0, 1)
            changed[name] = (to_rgb(moved) * 255).round().to(sample[name].dtype)
        return changed


def to_hsv(rgb: Tensor) -> Tensor:
    """Return hue, saturation and value of a float tensor ``(3, ...)``, all from 0 to 1.

    >>> to_hsv(torch.tensor([0.0, 0.5, 0.0])).tolist()
    [0.3333333432674408, 1.0, 0.5]
    """
    value, channel = rgb.max(0)
    spread = value - rgb.min(0).values
    safe = torch.where(spread == 0, 1.0, spread)
    r, g, b = rgb.unbind(0)
    sixths = torch.stack([(g - b) / safe % 6, (b - r) / safe + 2, (r - g) / safe + 4])
    hue = sixths.gather(0, channel[None])[0] / 6
    hue = torch.where(spread == 0, 0.0, hue)
    saturation = torch.where(value == 0, 0.0, spread / torch.where(value == 0, 1.0, value))
    return torch.stack([hue, saturation, value])


def to_rgb(hsv: Tensor) -> Tensor:
    """Return red, green and blue: the inverse of `to_hsv`.

    >>> to_rgb(torch.tensor([2 / 3, 0.5, 1.0])).tolist()
    [0.5, 0.5, 1.0]
    """
    hue, saturation, value = hsv.unbind(0)
    channels = []
    for shift in (5.0, 3.0, 1.0):
        k = (shift + hue * 6) % 6
        channels.append(value - value * saturation * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(channels)
