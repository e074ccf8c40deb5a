"""The layout of an array: its kind of modality, and where its channels are.

By default it follows from the shape of one sample; `kinds` of the settings overrides it:

=================  =================================================================
shape              read as
=================  =================================================================
``()``             a vector of one number
``(d,)``           a vector
``(a, b)``         a sequence where the shorter side, the channels, is below 8, or at
                   most 32 and less than half of the longer side, the steps; else an
                   image of one channel. ``(6, 128)`` and ``(128, 6)`` are both 6
                   channels of 128 steps; ``(28, 28)`` and ``(64, 51)`` are images
``(a, b, c)``      an image, channels first; channels last where c is 1, 3 or 4 and a
                   is not
``(a, b, c, d)``   a volume ``(C, T, H, W)``; channels last where d is 1, 3 or 4 and a
                   is not
=================  =================================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from dmrnet.hints import nearest
from dmrnet.modalities.task import RANKS, Kind, Modality

CHANNELS = (1, 3, 4)
"""Lengths of the last axis that mark it as channels."""

FEW_CHANNELS, MANY_CHANNELS = 8, 32
"""Below the first length, the shorter side is channels; above the second it never is."""

LAST = "-last"
KINDS = (*RANKS, *(f"{kind}{LAST}" for kind in RANKS if kind != "vector"))
"""Values of `kinds`; channels come first unless the value ends in ``-last``."""


@dataclass(frozen=True)
class Layout:
    """How an array ``(n, *shape)`` becomes a modality.

    Attributes:
        kind: The kind of modality.
        channels_last: Whether the last axis of the array is moved to the front.
        guessed: Whether the shape allows other layouts.
    """

    kind: Kind
    channels_last: bool = False
    guessed: bool = False

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of one sample with channels first.

        Args:
            shape: Shape of one sample in the array.

        Raises:
            ValueError: If the array has too few or too many axes for the kind.

        >>> Layout("sequence", channels_last=True).shape((128, 6))
        (6, 128)
        >>> Layout("image").shape((28, 28))
        (1, 28, 28)
        """
        if self.kind == "vector":
            return (math.prod(shape),)
        rank = RANKS[self.kind]
        if self.channels_last and len(shape) == rank:
            return (shape[-1], *shape[:-1])
        if not self.channels_last and len(shape) in (rank - 1, rank):
            return (1,) * (rank - len(shape)) + shape
        sizes = f"{rank} sizes" if self.channels_last else f"{rank - 1} or {rank} sizes"
        raise ValueError(f"a sample of shape {shape} cannot be a {self}, which has {sizes}")

    def __str__(self) -> str:
        """Return the value of `kinds`."""
        return f"{self.kind}{LAST if self.channels_last else ''}"


def parse_kind(text: str) -> Layout:
    """Return the layout of a value of `kinds`.

    Raises:
        ValueError: If the value is unknown.

    >>> parse_kind("image-last")
    Layout(kind='image', channels_last=True, guessed=False)
    """
    for layout in (Layout(kind, last) for kind in RANKS for last in (False, True)):
        if str(layout) == text and text in KINDS:
            return layout
    raise ValueError(f"unknown kind {text!r}; {nearest(text, KINDS)}; all: {', '.join(KINDS)}")


def guess_layout(shape: tuple[int, ...]) -> Layout:
    """Return the layout that follows from the shape of one sample, by the table above.

    Raises:
        ValueError: If it has more than four axes.

    >>> guess_layout((128, 6))
    Layout(kind='sequence', channels_last=True, guessed=True)
    >>> guess_layout((64, 51))
    Layout(kind='image', channels_last=False, guessed=True)
    """
    if len(shape) < 2:
        return Layout("vector")
    if len(shape) == 2:
        short, long = sorted(shape)
        if short < FEW_CHANNELS or (short <= MANY_CHANNELS and 2 * short < long):
            return Layout("sequence", channels_last=shape[0] > shape[1], guessed=True)
        return Layout("image", guessed=True)
    last = shape[-1] in CHANNELS and shape[0] not in CHANNELS
    if len(shape) in (3, 4):
        return Layout("image" if len(shape) == 3 else "volume", channels_last=last, guessed=last)
    raise ValueError(
        f"a sample of shape {shape} has {len(shape)} axes; expected 0 to 4, or a kind of "
        "'vector', which flattens it"
    )


def matching_layout(shape: tuple[int, ...], modality: Modality, stated: Layout | None) -> Layout:
    """Return the layout that gives the array of a new file the shape of the training.

    Args:
        shape: Shape of one sample in the file.
        modality: Modality of the training.
        stated: Layout that the settings of the training state, if any.

    Raises:
        ValueError: If no layout does.
    """
    choices = (stated,) if stated else (Layout(modality.kind), Layout(modality.kind, True))
    for layout in choices:
        # Numbers in another shape have another meaning, unless the settings flatten them.
        if stated is None and layout.kind == "vector" and len(shape) > 1:
            continue
        try:
            if layout.shape(shape) == modality.shape:
                return layout
        except ValueError:
            continue
    raise ValueError(
        f"expected samples of shape {modality.shape} as in training ({modality.kind}), got {shape}"
    )
