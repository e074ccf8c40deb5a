"""Ends of sequences of different length in padded arrays: marked by NaN, lengths or a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dmrnet.data.files.arrays.layout import Layout, guess_layout, matching_layout, parse_kind
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.arrays.source import ArraySource
from dmrnet.modalities import Modality

LENGTHS = "lengths"
"""Name of the array of lengths of the only sequence; of one of several it is ``NAME__lengths``."""

SUSPICIOUS = 0.1
"""Share of rows that end alike from which padding is suspected."""

LEAST_TAIL = 3
"""Mean number of equal steps at the end from which padding is suspected."""


@dataclass(frozen=True)
class Ends:
    """Ends of the sequences of an array.

    Attributes:
        layout: Layout of the array, that of a sequence.
        lengths: Number of steps of each row, int64 ``(n,)``; 0 where a row has none.
    """

    layout: Layout
    lengths: Array


def find_ends(
    name: str,
    array: Array,
    stated: Layout | None = None,
    lengths: Array | None = None,
    padding: float | None = None,
) -> tuple[Array, Ends | None]:
    """Find where the sequences of an array end.

    Args:
        name: Name of the modality.
        array: Padded array of the file, ``(n, C, T)`` or ``(n, T, C)``; ``(n, T)`` where a sequence
            is stated.
        stated: Layout, if it is known.
        lengths: Number of steps of each row, if the file says so.
        padding: Number that padded steps hold throughout; by default they are NaN.

    Returns:
        The array with as many steps as the longest sequence, padded with the first step of each
        row; and the ends. The array unchanged and None where all sequences have one length, or the
        modality is no sequence.

    Raises:
        ValueError: If lengths or padding are given and do not fit.

    >>> walk = np.array([[[1.0, 2.0, np.nan]], [[3.0, 4.0, 5.0]]])
    >>> _, ends = find_ends("walk", walk, Layout("sequence"))
    >>> ends.lengths.tolist()
    [2, 3]
    """
    marked = lengths is not None or padding is not None
    layout = stated or (guess_layout(array.shape[1:], name) if array.ndim < 6 else None)
    if marked and stated is None and layout is not None and array.ndim in (2, 3):
        layout = _as_sequence(array, layout, lengths)
    if layout is None or layout.kind != "sequence" or array.ndim not in (2, 3):
        if marked:
            raise ValueError(f"expected a sequence (n, C, T) with lengths, got {array.shape}")
        return array, None
    axis = _axis(array, layout)
    if lengths is not None:
        counts = _checked_lengths(lengths, len(array), array.shape[axis])
    elif padding is not None:
        counts = _counts(array == array.dtype.type(padding), axis)
    elif array.dtype.kind == "f":
        counts = _counts(np.isnan(array), axis)
        other = 3 - axis
        if layout.guessed and array.ndim == 3 and (counts == array.shape[axis]).all():
            # The steps are where rows end.
            swapped = _counts(np.isnan(array), other)
            if ((swapped > 0) & (swapped < array.shape[other])).any():
                layout, axis, counts = _swapped(layout), other, swapped
    else:
        return array, None
    longest = int(counts.max(initial=0))
    full = (counts == array.shape[axis]) | (counts == 0)
    if full.all() or longest == 0:
        return array, None
    return _filled(array, counts, axis, longest), Ends(layout, counts)


def _as_sequence(array: Array, layout: Layout, lengths: Array | None) -> Layout:
    """Return the layout of a sequence, whose steps are on the axis that the lengths fit on."""
    if array.ndim == 2:
        return Layout("sequence")
    if layout.kind != "sequence":
        layout = Layout("sequence", array.shape[1] >= array.shape[2], guessed=True)
    most = 0 if lengths is None or not lengths.size else int(lengths.max())
    steps, other_steps = (array.shape[_axis(array, one)] for one in (layout, _swapped(layout)))
    return _swapped(layout) if steps < most <= other_steps else layout


def _swapped(layout: Layout) -> Layout:
    return Layout("sequence", not layout.channels_last, layout.guessed)


def _axis(array: Array, layout: Layout) -> int:
    return 1 if array.ndim == 2 or layout.channels_last else 2


def _checked_lengths(lengths: Array, rows: int, steps: int) -> Array:
    if lengths.shape != (rows,) or lengths.dtype.kind not in "iu":
        raise ValueError(
            f"expected lengths as whole numbers ({rows},), got {lengths.dtype} {lengths.shape}"
        )
    wrong = np.flatnonzero((lengths < 0) | (lengths > steps))
    if len(wrong):
        raise ValueError(
            f"row {wrong[0]}: expected a length from 0 to the {steps} steps of the array, got "
            f"{lengths[wrong[0]]}"
        )
    return lengths.astype(np.int64)


def _counts(padded: Array, axis: int) -> Array:
    """Return the number of steps up to the last that is not padded throughout, int64 ``(n,)``."""
    gone: Array = padded if padded.ndim == 2 else np.asarray(padded.all(3 - axis))
    return np.asarray(gone.shape[1] - np.cumprod(gone[:, ::-1], axis=1).sum(1), dtype=np.int64)


def _filled(array: Array, counts: Array, axis: int, longest: int) -> Array:
    """Return the array cut to the longest sequence, and padded with steps that are there."""
    array = np.take(array, np.arange(longest), axis)
    if array.dtype.kind != "f":
        array = array.astype(np.float32)
    after = np.arange(longest) >= counts[:, None]
    first = np.take(array, [0], axis)
    # A row without any step is absent.
    first = np.where((counts == 0).reshape(-1, *[1] * (array.ndim - 1)), np.nan, first)
    if array.ndim == 3:
        after = after[:, :, None] if axis == 1 else after[:, None, :]
    return np.where(after, first, array).astype(array.dtype)


def nan_after(name: str, array: Array, lengths: Array, kinds: dict[str, str]) -> Array:
    """Return padded sequences with NaN after their lengths.

    Args:
        name: Name of the modality.
        array: Padded array; see `find_ends`.
        lengths: Number of steps of each row, ``(n,)``.
        kinds: Kinds that are known, by name; gets that of these sequences.

    Raises:
        ValueError: If the lengths do not fit.
    """
    stated = kinds.get(name)
    try:
        _, ends = find_ends(name, array, parse_kind(stated) if stated else None, lengths)
    except ValueError as error:
        raise ValueError(f"modality {name}: {error}") from error
    if ends is None:
        return array
    kinds[name] = str(ends.layout)
    axis = _axis(array, ends.layout)
    before_end = np.arange(array.shape[axis]) < ends.lengths[:, None]
    before_end = before_end if array.ndim == 2 else np.expand_dims(before_end, 3 - axis)
    wide = array if array.dtype.kind == "f" else array.astype(np.float32)
    return np.where(before_end, wide, wide.dtype.type(np.nan))


def layout_as_trained(
    path: str,
    shape: tuple[int, ...],
    modality: Modality,
    known: Layout | None,
    uneven: bool,
    expected: tuple[int, ...] | None = None,
) -> Layout:
    """Return the layout that gives an array of a later file the shape of the training.

    A ragged modality may have any number of steps.

    Args:
        path: Name of the file, for messages.
        shape: Shape of one sample in the file.
        modality: Modality of the training.
        known: Layout that the settings of the training state, or ends show, if any.
        uneven: Whether sequences of the file differ in length.
        expected: Shape of one sample in the training file, where it is known.

    Raises:
        ValueError: If no layout does.
    """
    if modality.ragged:
        return _layout_of_ragged(path, shape, modality, known)
    try:
        if uneven:
            raise ValueError(
                f"expected sequences of {modality.shape[-1]} steps as in training, got some that "
                "are shorter; train with such sequences"
            )
        if expected not in (None, shape):
            raise ValueError(
                f"expected samples of shape {expected} as in the training file, got {shape}"
            )
        return matching_layout(shape, modality, known)
    except ValueError as error:
        raise ValueError(f"{path}: modality {modality.name}: {error}") from error


def _layout_of_ragged(
    path: str, shape: tuple[int, ...], modality: Modality, known: Layout | None
) -> Layout:
    # For a square, the layout that training would have guessed comes first.
    guess = guess_layout(shape, modality.name) if len(shape) == 2 else Layout("sequence")
    choices = (Layout("sequence", guess.channels_last), Layout("sequence", not guess.channels_last))
    for layout in (known,) if known else choices:
        rank = 2 if layout.channels_last else 1
        if len(shape) in (rank, 2) and layout.shape(shape)[0] == modality.shape[0]:
            return layout
    raise ValueError(
        f"{path}: modality {modality.name}: expected sequences of {modality.shape[0]} channels and "
        f"any number of steps as in training, got samples of shape {shape}"
    )


def steps_notes(role: str, inputs: Sequence[Modality], ends: Mapping[str, Ends]) -> list[str]:
    """Return sentences on how the lengths of sequences differ."""
    notes = []
    for one in inputs:
        if one.name in ends:
            notes.append(steps_note(role, one.name, ends[one.name].lengths))
    return notes


def steps_note(role: str, name: str, lengths: Array) -> str:
    """Return a sentence on the lengths of sequences, int64 ``(n,)``; 0 where there is none.

    >>> steps_note("train", "walk", np.array([3, 0, 8]))
    'train: walk has 3 to 8 steps, 5.5 on average'
    """
    lengths = lengths[lengths > 0]
    return (
        f"{role}: {name} has {lengths.min()} to {lengths.max()} steps, {lengths.mean():.1f} on "
        "average"
    )


def padding_note(name: str, array: Array, source: ArraySource) -> str | None:
    """Return a sentence where many rows end in steps of one number; None where they do not.

    Args:
        name: Name of the modality.
        array: Present rows of a sequence, ``(n, C, T)``.
        source: Its source, which knows how the setting that says so is written.
    """
    if array.shape[2] < 2 or not len(array):
        return None
    last = array[:, :, -1]
    alike = (last == last[:, :1]).all(1)
    values, counts = np.unique(last[alike, 0], return_counts=True)
    if not len(values) or counts.max() < SUSPICIOUS * len(array):
        return None
    value = float(values[counts.argmax()])
    lengths = _counts(array == array.dtype.type(value), 2)
    # A row of nothing else is absent, or constant.
    tails = (array.shape[2] - lengths)[(lengths > 0) & (lengths < array.shape[2])]
    if len(tails) < SUSPICIOUS * len(array) or tails.mean() < LEAST_TAIL:
        return None
    return (
        f"{name} ends in steps of {value:g} in {100 * len(tails) / len(array):.3g} % of its rows, "
        f"{100 * tails.sum() / array[:, 0].size:.3g} % of its steps: probably padding; if so, "
        f"{source.setting('padding', name, value)} says it"
    )
