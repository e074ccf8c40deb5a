"""The start of a trunk that is linear in each modality: read once a modality, added under masks.

What a convolution makes of maps side by side is the sum of what it makes of each of them, so that
a combination of modalities costs an addition where it would cost the convolution.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from dmrnet.nn.layers.pointwise import on_one_position

Read = Callable[[Tensor], tuple[Tensor, ...]]
"""From a modality's map on the grid to what each reader of a trunk makes of it."""


class LinearStart(nn.Sequential):
    """A trunk whose input is read by convolutions without bias, all onto one grid."""

    @abstractmethod
    def readers(self) -> tuple[nn.Conv2d, ...]:
        """Return the convolutions that read the input."""

    @abstractmethod
    def rest(self, read: Sequence[Tensor]) -> Tensor:
        """Return the trunk's map from what each reader gave, added over modalities."""

    def reading(self, sizes: Sequence[int]) -> list[Read]:
        """Return what reads each modality's map by itself.

        Args:
            sizes: Channels of each modality's map, in the order in which they stand side by side.

        Returns:
            For each, from ``(B, C_v, H, W)`` to what every reader gives, ``(B, C', H', W')``. Side
            by side in one tensor they would be parted again, and norms are slow on parts.
        """
        if any(conv.bias is not None for conv in self.readers()):
            # As in a folded form; a bias would have to be added once, and not once a modality.
            raise ValueError("the trunk's first convolutions have a bias: read its input whole")
        own = [conv.weight.split(list(sizes), 1) for conv in self.readers()]
        return [partial(self._read, weights) for weights in zip(*own, strict=True)]

    def _read(self, weights: Sequence[Tensor], x: Tensor) -> tuple[Tensor, ...]:
        readers = zip(self.readers(), weights, strict=True)
        return tuple(_convolve(conv, x, weight) for conv, weight in readers)

    def cost(self, positions: int) -> int:
        """Return how many products reading all modalities' maps takes, for one sample."""
        return sum(
            conv.weight.numel() * positions // (conv.stride[0] * conv.stride[1])
            for conv in self.readers()
        )


class ConvTrunk(LinearStart):
    """Layers in a row, of which the first is a convolution without bias."""

    def readers(self) -> tuple[nn.Conv2d, ...]:
        """Return the first layer."""
        first = self[0]
        assert isinstance(first, nn.Conv2d)
        return (first,)

    def rest(self, read: Sequence[Tensor]) -> Tensor:
        """Run the other layers."""
        (x,) = read
        for layer in self[1:]:
            x = layer(x)
        return x


class BlockTrunk(LinearStart):
    """Stages of ResNet blocks; the first block has a shortcut of its own, a 1x1 convolution.

    Blocks of two convolutions only (ResNet-18 and -34).
    """

    def readers(self) -> tuple[nn.Conv2d, ...]:
        """Return the first block's first convolution and its shortcut's."""
        stage: nn.Module = self[0]
        first = stage[0]  # type: ignore[index]
        return first.conv1, first.downsample[0]

    def rest(self, read: Sequence[Tensor]) -> Tensor:
        """Run the first block from there, and the blocks behind it."""
        inner, shortcut = read
        stage: nn.Module = self[0]
        first, *blocks = stage.children()
        out: Tensor = first.bn2(first.conv2(first.relu(first.bn1(inner))))  # type: ignore[operator]
        out = first.relu(out + first.downsample[1](shortcut))  # type: ignore[index,operator]
        for block in (*blocks, *self[1:]):
            out = block(out)
        return out


def _convolve(conv: nn.Conv2d, x: Tensor, weight: Tensor) -> Tensor:
    """Convolve as a layer does, with some of its weights."""
    if x.shape[2:] == weight.shape[2:] == (1, 1):
        return on_one_position(x, weight)
    return F.conv2d(x, weight, None, conv.stride, conv.padding, conv.dilation)
