"""Counts of every system and combination, small enough to stand in a page."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence

import numpy as np

from dmrnet.report.mistakes.gather import Mistakes
from dmrnet.report.mistakes.outcomes import Counts

MOST_CLASSES = 30
"""Number of classes up to which whole matrices are shown; of more, the most confused pairs."""

PAIRS = 20
"""Number of confused pairs that are shown of a combination."""

LARGEST = 150_000
"""Most characters of the counts of one data set; of more, the page shows fewer systems."""


def pack(mistakes: Mistakes) -> tuple[str, list[str]]:
    """Return the counts as JSON for the page's script, and the systems that have no room.

    The JSON names ``kind``, ``noun``, ``form`` (``matrix``, ``pairs`` or ``labels``), ``classes``,
    ``combinations``, ``systems`` (name, seeds, worst combination), ``full``, and ``counts``: base64
    of deflated numbers, each in 7-bit groups, the lowest first. For each system and combination
    they are 0, or 1 and its numbers as `numbers_of` returns them.
    """
    order = [mistakes.first, *(label for label in mistakes.counts if label != mistakes.first)]
    names = list(dict.fromkeys(name for label in order for name in mistakes.counts[label]))
    form = form_of(mistakes)
    labels, text = order, ""
    while True:
        numbers: list[int] = []
        for label in labels:
            for name in names:
                counts = mistakes.counts[label].get(name)
                numbers += [0] if counts is None else [1, *numbers_of(counts, form)]
        text = base64.b64encode(zlib.compress(_varints(numbers), 9)).decode()
        if len(text) <= LARGEST or len(labels) == 1:
            break
        labels = labels[: max(1, min(len(labels) - 1, len(labels) * LARGEST // len(text)))]
    content = {
        "kind": mistakes.kind,
        "form": form,
        "noun": mistakes.noun,
        "classes": mistakes.classes,
        "combinations": names,
        "full": mistakes.full,
        "systems": [
            [label, mistakes.seeds[label], mistakes.worst.get(label, "")] for label in labels
        ],
        "counts": text,
    }
    # A page ends a script at its end tag, wherever that stands.
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c"), order[len(labels) :]


def form_of(mistakes: Mistakes) -> str:
    """Return how the counts are shown: as a matrix, as pairs, or as labels."""
    if mistakes.kind == "labels":
        return "labels"
    return "matrix" if len(mistakes.classes) <= MOST_CLASSES else "pairs"


def numbers_of(counts: Counts, form: str) -> list[int]:
    """Return the numbers of one system and combination.

    A matrix by rows; or right and all samples of each class, then `confused_pairs` as true class,
    predicted class, count, filled up with zeros; or of each label who has it and was found, who has
    it, who is predicted to have it, and all samples.
    """
    if form == "matrix":
        return counts.ravel().tolist()
    if form == "labels":
        both, has = counts[:, 1, 1], counts[:, 1].sum(-1)
        predicted, every = counts[:, :, 1].sum(-1), counts.sum((1, 2))
        return np.stack([both, has, predicted, every], 1).ravel().tolist()
    totals = np.stack([np.diagonal(counts), counts.sum(1)], 1).ravel().tolist()
    pairs = confused_pairs(counts)
    flat = [n for pair in pairs for n in pair]
    return [*totals, *flat, *[0] * (3 * (PAIRS - len(pairs)))]


def confused_pairs(counts: Counts) -> list[tuple[int, int, int]]:
    """Return true class, predicted class and count of the largest errors, the largest first.

    >>> confused_pairs(np.array([[5, 2, 0], [0, 7, 1], [0, 3, 4]]))
    [(2, 1, 3), (0, 1, 2), (1, 2, 1)]
    """
    wrong = counts * (1 - np.eye(len(counts), dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    rows, columns = np.unravel_index(order, wrong.shape)
    values = wrong[rows, columns]
    return [
        (int(row), int(column), int(n))
        for row, column, n in zip(rows, columns, values, strict=True)
        if n
    ]


def _varints(numbers: Sequence[int]) -> bytes:
    """Return numbers of 0 or more in groups of seven bits, the lowest first.

    >>> list(_varints([0, 5, 300]))
    [0, 5, 172, 2]
    """
    out = bytearray()
    for number in numbers:
        while number > 127:
            out.append(number & 127 | 128)
            number >>= 7
        out.append(number)
    return bytes(out)
