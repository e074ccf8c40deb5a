"""Trunks whose first layers are linear, so that each modality can go through them by itself.

A convolution of maps side by side is the sum of the convolutions of each map. Under another mask
only the sum is new.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dmrnet.nn.layers.conv_block import convolution, norm_and_nonlinearity
from dmrnet.nn.layers.pointwise import Pointwise, on_one_position

Start = Callable[[Tensor], tuple[Tensor, ...]]
"""Function from one modality's map on the grid to the result of each first convolution."""


class LinearStart(nn.Sequential):
    """A trunk that reads its input with convolutions without bias, all onto one grid."""

    @abstractmethod
    def first(self) -> tuple[nn.Conv2d, ...]:
        """Return the convolutions that read the input."""

    @abstractmethod
    def rest(self, sums: Sequence[Tensor]) -> Tensor:
        """Return the trunk's map from the result of each first convolution, added over modalities.

        Args:
            sums: One tensor for each convolution of `first`.
        """

    def split(self, sizes: Sequence[int]) -> list[Start]:
        """Split the first convolutions by modality.

        Args:
            sizes: Number of channels of each modality's map, in the order of concatenation.

        Returns:
            For each modality a function from its map ``(B, C_v, H, W)`` to the result of every
            first convolution, ``(B, C', H', W')``.

        Raises:
            ValueError: If a first convolution has a bias, which must be added only once.
        """
        if any(conv.bias is not None for conv in self.first()):
            raise ValueError(
                "the trunk's first convolutions have a bias (it was folded?), so they cannot be "
                "split by modality; call the model as a whole"
            )
        own = [conv.weight.split(list(sizes), 1) for conv in self.first()]
        return [partial(self._start, weights) for weights in zip(*own, strict=True)]

    def _start(self, weights: Sequence[Tensor], x: Tensor) -> tuple[Tensor, ...]:
        # Separate tensors: they would be split again, and batch norms are slow on slices.
        first = zip(self.first(), weights, strict=True)
        return tuple(_convolve(conv, x, weight) for conv, weight in first)

    def restrict(self, sizes: Sequence[int], kept: Sequence[int]) -> None:
        """Keep the input channels of some modalities only, for inference.

        Args:
            sizes: Number of channels of each modality's map, in the order of concatenation.
            kept: Positions of the modalities that are kept.
        """
        for conv in self.first():
            slices = conv.weight.split(list(sizes), 1)
            weight = torch.cat([slices[v] for v in kept], 1)
            conv.weight = nn.Parameter(weight.detach(), requires_grad=False)
            conv.in_channels = weight.shape[1]

    def cost(self, positions: int) -> int:
        """Return the number of products of the first convolutions for one sample."""
        return sum(
            conv.weight.numel() * positions // (conv.stride[0] * conv.stride[1])
            for conv in self.first()
        )


class ConvTrunk(LinearStart):
    """Layers in sequence, the first of which is a convolution without bias."""

    def first(self) -> tuple[nn.Conv2d, ...]:
        """Return the first layer."""
        first = self[0]
        assert isinstance(first, nn.Conv2d)
        return (first,)

    def rest(self, sums: Sequence[Tensor]) -> Tensor:
        """Run the other layers."""
        (x,) = sums
        for layer in self[1:]:
            x = layer(x)
        return x


class BlockTrunk(LinearStart):
    """Stages of ResNet blocks with two convolutions each (ResNet-18 and -34).

    The first block has a shortcut of its own, a 1x1 convolution.
    """

    def first(self) -> tuple[nn.Conv2d, ...]:
        """Return the first block's first convolution and its shortcut's."""
        stage: nn.Module = self[0]
        first = stage[0]  # type: ignore[index]
        return first.conv1, first.downsample[0]

    def rest(self, sums: Sequence[Tensor]) -> Tensor:
        """Run the rest of the first block, and all further blocks."""
        inner, shortcut = sums
        stage: nn.Module = self[0]
        first, *blocks = stage.children()
        out: Tensor = first.bn2(first.conv2(first.relu(first.bn1(inner))))  # type: ignore[operator]
        out = first.relu(out + first.downsample[1](shortcut))  # type: ignore[index,operator]
        for block in (*blocks, *self[1:]):
            out = block(out)
        return out


def trunk(channels: int, width: int, depth: int = 2, kernel: int = 1, axes: int = 2) -> ConvTrunk:
    """Return `depth` blocks of convolution, norm and nonlinearity, to `width` channels."""
    layers: list[nn.Module] = []
    for block in range(depth):
        before = width if block else channels
        layers += [
            Pointwise(before, width, bias=False)
            if kernel == 1
            else convolution(axes, before, width, kernel, bias=False),
            *norm_and_nonlinearity(axes, width),
        ]
    return ConvTrunk(*layers)


def _convolve(conv: nn.Conv2d, x: Tensor, weight: Tensor) -> Tensor:
    """Convolve as a layer does, with some of its weights."""
    if x.shape[2:] == weight.shape[2:] == (1, 1):
        return on_one_position(x, weight)
    return F.conv2d(x, weight, None, conv.stride, conv.padding, conv.dilation)
