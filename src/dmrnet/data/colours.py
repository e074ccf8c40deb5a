"""Random change of hue, saturation and brightness."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dmrnet.data.transforms import Sample, uniform


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
    """Return hue, saturation and value, all from 0 to 1.

    Args:
        rgb: Float tensor ``(3, ...)`` from 0 to 1.

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
