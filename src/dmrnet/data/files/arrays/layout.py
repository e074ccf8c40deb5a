"""The layout of an array: its kind of modality, and where its channels are.

By default it follows from the shape of one sample and the words of its name; `kinds` of the
settings overrides it:

=================  =================================================================
shape              read as
=================  =================================================================
``()``             a vector of one number
``(d,)``           a vector
``(1, d)``         a vector if the name says so (`rna`, `table`); else a sequence
``(a, b)``         what the name says: a sequence (`eeg`, `audio`), one of tokens with
                   their features last (`text`), or an image of one channel (`depth`,
                   `spectrogram`). Other names: a sequence where the shorter side, the
                   channels, is below 8, or at most 32 and less than half of the longer
                   side, the steps; else an image of one channel. ``(6, 128)`` and
                   ``(128, 6)`` are both 6 channels of 128 steps; ``(28, 28)`` and
                   ``(64, 51)`` are images
``(a, b, c)``      an image. Channels are the side of 1, 3 or 4; else the one that is
                   not of the square, as in ``(32, 32, 13)`` and ``(144, 11, 11)``;
                   else the first or last side if it is at most half of the others
``(a, b, c, d)``   a volume ``(C, T, H, W)``, its channels found in the same way
=================  =================================================================

What the shape leaves open is read with channels first, and noted as a guess.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from dmrnet.hints import closest
from dmrnet.modalities.task import RANKS, Kind, Modality

CHANNELS = (1, 3, 4)
"""Lengths of the first or last axis that mark it as channels."""

_WORDS: dict[str, str] = {
    "vector": "table tab tabular feature features vector embedding embeddings rna mrna mirna gene "
    "genes expression omics methylation cnv protein proteins clinical blood demographics metadata",
    "sequence": "audio sound speech wave waveform signal signals ecg eeg emg eda ppg bvp imu acc "
    "accel accelerometer gyro gyroscope magnetometer vibration series timeseries motion sequence",
    "sequence-last": "text token tokens word words sentence sentences transcript caption captions",
    "image": "image images img picture pictures photo photos camera cam rgb depth ir infrared "
    "thermal nir lidar sar mri ct pet xray spectrogram spectrograms mel stft heatmap",
}
NAMED = {word: kind for kind, words in _WORDS.items() for word in words.split()}
"""Kinds that words in the name of a modality stand for."""

FEW_CHANNELS, MANY_CHANNELS = 8, 32
"""Below the first length, the shorter side is channels; above the second it never is."""

MOST_NAMED = 4
"""Above this number, modalities that are read alike are counted, not named."""

LAST = "-last"
KINDS = (*RANKS, *(f"{kind}{LAST}" for kind in RANKS if kind != "vector"))
"""Values of `kinds`; channels come first unless the value ends in ``-last``."""

KINDS_BY_AXES = {
    2: ("sequence", "sequence-last", "image", "vector"),
    3: ("image", "image-last", "vector"),
    4: ("volume", "volume-last", "vector"),
}
"""Values of `kinds` for samples with two axes or more."""


@dataclass(frozen=True)
class Layout:
    """Layout of an array ``(n, *shape)`` as a modality.

    Attributes:
        kind: The kind of modality.
        channels_last: Whether the last axis of the array is moved to the front.
        guessed: Whether the shape allows other layouts.
        named: Whether the name of the modality decided between them.
    """

    kind: Kind
    channels_last: bool = False
    guessed: bool = False
    named: bool = False

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
    Layout(kind='image', channels_last=True, guessed=False, named=False)
    """
    for layout in (Layout(kind, last) for kind in RANKS for last in (False, True)):
        if str(layout) == text and text in KINDS:
            return layout
    near = closest(text, KINDS)
    hint = "" if near is None else f"did you mean {near!r}? "
    raise ValueError(f"unknown kind {text!r}; {hint}known: {', '.join(KINDS)}")


def named_kind(name: str) -> str | None:
    """Return the kind that the words of a name stand for; None if there is none, or several.

    >>> named_kind("left_camera"), named_kind("table-2"), named_kind("a")
    ('image', 'vector', None)
    """
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
    kinds = {NAMED[word] for word in words if word in NAMED}
    return kinds.pop() if len(kinds) == 1 else None


def guess_layout(shape: tuple[int, ...], name: str = "") -> Layout:
    """Return the layout that follows from the shape of one sample, by the table above.

    Args:
        shape: Shape of one sample.
        name: Name of the modality.

    Raises:
        ValueError: If it has more than four axes.

    >>> guess_layout((128, 6))
    Layout(kind='sequence', channels_last=True, guessed=True, named=False)
    >>> guess_layout((64, 51))
    Layout(kind='image', channels_last=False, guessed=True, named=False)
    >>> guess_layout((1, 5000), "rna")
    Layout(kind='vector', channels_last=False, guessed=True, named=True)
    >>> guess_layout((32, 32, 13))
    Layout(kind='image', channels_last=True, guessed=True, named=False)
    """
    if len(shape) < 2:
        return Layout("vector")
    if len(shape) == 2:
        return _guess_of_two(shape, named_kind(name))
    if len(shape) > 4:
        raise ValueError(
            f"a sample of shape {shape} has {len(shape)} axes; expected 0 to 4, or a kind of "
            "'vector', which flattens it"
        )
    kind: Kind = "image" if len(shape) == 3 else "volume"
    last, first = _are_channels(shape[-1], shape[:-1]), _are_channels(shape[0], shape[1:])
    # Videos may be saved with the channels of a frame second.
    second = len(shape) == 4 and shape[1] in CHANNELS and shape[0] not in CHANNELS
    return Layout(kind, channels_last=last and not first, guessed=last or not first or second)


def _guess_of_two(shape: tuple[int, ...], kind: str | None) -> Layout:
    short, long = sorted(shape)
    steps_first = shape[0] > shape[1]
    if kind == "vector" and short == 1:
        return Layout("vector", guessed=True, named=True)
    if short > 1:
        if kind == "sequence":
            return Layout("sequence", steps_first, guessed=True, named=True)
        if kind == "sequence-last":
            return Layout("sequence", channels_last=True, guessed=True, named=True)
        if kind == "image":
            return Layout("image", guessed=True, named=True)
    if short < FEW_CHANNELS or (short <= MANY_CHANNELS and 2 * short < long):
        return Layout("sequence", steps_first, guessed=True)
    return Layout("image", guessed=True)


def _are_channels(side: int, others: tuple[int, ...]) -> bool:
    """Return whether a side at the end of a shape is channels rather than pixels or steps."""
    if side in CHANNELS:
        return True
    if len({*others}) == 1:
        return side != others[0]
    if len(others) == 3 and others[-1] == others[-2]:
        return side != others[-1]
    return 2 * side <= min(others)


def matching_layout(shape: tuple[int, ...], modality: Modality, stated: Layout | None) -> Layout:
    """Return the layout that gives the array of a new file the shape of the training.

    Args:
        shape: Shape of one sample in the file.
        modality: Modality of the training.
        stated: Layout that the settings of the training state, if any.

    Raises:
        ValueError: If no layout does.
    """
    choices = [stated] if stated else [Layout(modality.kind), Layout(modality.kind, True)]
    if stated is None and len(shape) in (2, 3, 4):
        # For a square either layout has the right shape; the guess is that of training.
        guess = guess_layout(shape, modality.name)
        choices = [guess, *choices] if guess.kind == modality.kind else choices
    for layout in choices:
        # Numbers in another shape have another meaning, unless the settings flatten them.
        if stated is None and layout.kind == "vector" and max(shape, default=1) != math.prod(shape):
            continue
        try:
            if layout.shape(shape) == modality.shape:
                return layout
        except ValueError:
            continue
    raise ValueError(
        f"expected samples of shape {modality.shape} as in training ({modality.kind}), got {shape}"
    )


def reading_notes(shapes: Mapping[str, tuple[tuple[int, ...], Layout]]) -> list[str]:
    """Return sentences on how each array was read, guesses one by one.

    Args:
        shapes: Shape of one sample in the file, and its layout, by modality.

    >>> reading_notes({"tab": ((24,), Layout("vector")), "b": ((24,), Layout("vector"))})
    ['tab, b read as vector 24']
    """
    notes, plain = [], dict[str, list[str]]()
    for name, (shape, layout) in shapes.items():
        became = f"{layout.kind} {by(layout.shape(shape))}"
        if not layout.guessed:
            plain.setdefault(became, []).append(name)
            continue
        why = " by its name" if layout.named else ""
        moved = "channels last in the file" if layout.channels_last else "channels first"
        how = "" if layout.kind == "vector" else f", {moved}"
        others = [kind for kind in KINDS_BY_AXES.get(len(shape), ()) if kind != str(layout)]
        notes.append(
            f"{name} ({by(shape)}) read as {became}{why}{how}; if that is wrong, give "
            f"kinds (--data.kinds {name}={' or '.join(others)})"
        )
    for became, names in plain.items():
        some = ", ".join(names) if len(names) <= MOST_NAMED else f"{len(names)} modalities"
        notes.append(f"{some} read as {became}")
    return notes


def by(shape: tuple[int, ...]) -> str:
    """Return a shape as text, as in ``3x32x32``."""
    return "x".join(str(size) for size in shape)
