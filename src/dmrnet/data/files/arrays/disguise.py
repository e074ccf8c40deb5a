"""Absence in disguise: blocks of one number, or of one placeholder, that stand for no data.

Nothing is assumed: rows that `constant_blocks` finds are reported, and absent only where a setting
says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from dmrnet.data.files.arrays.numbers import Array, Bools, Numbers

LARGE_BLOCK = 16
"""Number of values from which a single block of one number is suspicious."""

LEAST_SHARE = 0.01
"""Share of the rows from which smaller blocks of one number are suspicious."""

PLACEHOLDER_SHARE = 0.05
"""Share of the rows from which identical blocks are suspicious."""

PROBES = 8
"""Number of values of a row that are compared first."""


def absent_rows(array: Array, value: float) -> Bools:
    """Return the rows that are one value throughout, bool ``(n,)``.

    >>> absent_rows(np.array([[0, 0], [0, 7]]), 0.0).tolist()
    [True, False]
    """
    try:
        one = array.dtype.type(value)
    except OverflowError:
        return np.zeros(len(array), dtype=np.bool_)
    if array.dtype.kind != "f" and one != value:
        return np.zeros(len(array), dtype=np.bool_)
    return np.asarray((array.reshape(len(array), -1) == one).all(1))


def constant_blocks(array: Numbers, present: Bools) -> dict[float, int]:
    """Return how many present rows hold one number throughout, by the number.

    Left out are numbers that are so frequent elsewhere that such rows occur by chance, as zeros in
    counts of rare words. A modality of a single number is judged by its range: a number that
    recurs far outside that of all others.

    Args:
        array: Values ``(n, ...)``.
        present: bool ``(n,)``; other rows do not count.

    >>> blank = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 2.0, 3.0]], dtype=np.float32)
    >>> constant_blocks(blank, np.ones(3, dtype=bool))
    {0.0: 2}
    """
    flat = array.reshape(len(array), -1)
    size, rows = flat.shape[1], np.flatnonzero(present)
    if size == 1:
        return _far_values(flat[rows, 0])
    # A few values of each row rule nearly all rows out.
    ends = np.array([size // 2, size - 1])
    alike = rows[(flat[np.ix_(rows, ends)] == flat[rows, :1]).all(1)]
    constant = alike[(flat[alike] == flat[alike, :1]).all(1)]
    values, counts = np.unique(flat[constant, 0], return_counts=True)
    others = np.setdiff1d(rows, constant)[:: max(1, len(rows) // 1000)]
    if not len(others):
        return dict(zip(values.tolist(), counts.tolist(), strict=True))
    least = 1 if size >= LARGE_BLOCK else max(2, math.ceil(LEAST_SHARE * len(rows)))
    blocks = {}
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        by_chance = len(rows) * _rate((flat[others] == value).mean(), size) ** size
        if count >= least and count > 2 * by_chance + 3 * math.sqrt(by_chance):
            blocks[value] = count
    return dict(sorted(blocks.items(), key=lambda one: -one[1]))


def _rate(rate: float, size: int) -> float:
    """Return the rate of a number in blocks from its rate in those that are not all that number.

    It is the least p with ``rate = (p - p**size) / (1 - p**size)``.
    """
    p = rate
    for _ in range(100):
        p = rate * (1 - p**size) + p**size
    return float(p)


def _far_values(column: Array) -> dict[float, int]:
    """Return the number that recurs far outside the range of all others, with its count."""
    values, counts = np.unique(column, return_counts=True)
    for end, others in ((0, values[1:]), (-1, values[:-1])):
        if len(others) < 2 or counts[end] < max(2, LEAST_SHARE * len(column)):
            continue
        low, high = float(others[0]), float(others[-1])
        far = max(low - float(values[end]), float(values[end]) - high)
        if far > 2 * (high - low):
            return {float(values[end]): int(counts[end])}
    return {}


def placeholder_rows(array: Numbers, present: Bools) -> tuple[int, int]:
    """Return the number of identical rows, and one of them, where they are a suspicious share.

    Only blocks of `LARGE_BLOCK` values or more count, and none that is one number throughout.

    >>> array = np.repeat(np.arange(32.0, dtype=np.float32)[None], 5, 0)
    >>> placeholder_rows(array, np.ones(5, dtype=bool))
    (5, 0)
    """
    flat, rows = array.reshape(len(array), -1), np.flatnonzero(present)
    size = flat.shape[1]
    if size < LARGE_BLOCK or len(rows) < 3:
        return 0, 0
    probes = np.linspace(0, size - 1, PROBES).astype(int)
    _, inverse, counts = np.unique(
        flat[np.ix_(rows, probes)], axis=0, return_inverse=True, return_counts=True
    )
    for group in np.argsort(-counts)[:3].tolist():
        same = rows[inverse.reshape(-1) == group]
        if len(same) < max(3, PLACEHOLDER_SHARE * len(rows)):
            break
        equal = same[(flat[same] == flat[same[0]]).all(1)]
        if len(equal) >= max(3, PLACEHOLDER_SHARE * len(rows)) and np.ptp(flat[equal[0]]) > 0:
            return len(equal), int(equal[0])
    return 0, 0


def constants(arrays: Mapping[str, Numbers], present: Mapping[str, Bools]) -> dict[str, float]:
    """Return the number that a modality is throughout all present rows, where it is one."""
    numbers = {}
    for name, array in arrays.items():
        rows = array[present[name]]
        if len(rows) and (rows == rows.flat[0]).all():
            numbers[name] = float(rows.flat[0])
    return numbers


def disguise_notes(
    arrays: Mapping[str, Numbers],
    present: Mapping[str, Bools],
    usual: Mapping[str, float] | None = None,
    setting: Callable[[str, str, float], str] = "{0} {1}={2:g}".format,
) -> list[str]:
    """Return sentences on modalities that look absent where they are marked present.

    Args:
        arrays: Values ``(n, ...)`` of each modality.
        present: bool ``(n,)`` of each modality.
        usual: Numbers, for a later file, that a modality is throughout training, where it does not
            vary there; None for the training file itself.
        setting: How the setting that says so is written, from its name, a modality and a value.
    """
    notes = []
    for name, array in arrays.items():
        rows = int(present[name].sum())
        blocks = constant_blocks(array, present[name]) if rows else {}
        notes += block_notes(name, blocks, rows, usual, setting)
        count, row = placeholder_rows(array, present[name])
        if count:
            notes.append(
                f"{name} is the same in {count} of {rows} rows, as in row {row}: a placeholder? "
                "If they are absent, say so by rows of NaN, or in present"
            )
    return notes


def block_notes(
    name: str,
    blocks: Mapping[float, int],
    rows: int,
    usual: Mapping[str, float] | None,
    setting: Callable[[str, str, float], str],
) -> list[str]:
    """Return sentences on the two most frequent numbers that blocks of a modality are throughout.

    Args:
        name: Name of the modality.
        blocks: Number of such blocks by number, the most frequent first.
        rows: Number of rows that have the modality.
        usual: See `disguise_notes`.
        setting: See `disguise_notes`.
    """
    notes, total = [], sum(blocks.values())
    most = max(blocks.values(), default=0)
    if len(blocks) > 2 and 2 * most < total:
        share = f"{total} of {rows} rows ({100 * total / rows:.2g} %)"
        return [
            f"{name} is one number throughout, not the same one, in {share}: a sensor that is "
            "stuck or off? If they are absent, say so by rows of NaN, or in present"
        ]
    for number, count in list(blocks.items())[:2]:
        value = number + 0.0  # no -0
        how = "probably" if count >= PLACEHOLDER_SHARE * rows else "perhaps"
        says = f"{how} absent; if so, {setting('absent', name, value)} says it"
        if count < rows:
            share = f"{count} of {rows} rows ({100 * count / rows:.2g} %)"
            notes.append(f"{name} is {value:g} throughout in {share}: {says}")
        elif usual is None:
            notes.append(
                f"{name} is {value:g} throughout in every row: there is nothing to learn of it; "
                "leave it out with modalities"
            )
        elif usual.get(name) != value:
            notes.append(
                f"{name} is {value:g} throughout in every row, in training it was not: {says}"
            )
    return notes
