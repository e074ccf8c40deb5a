"""Samples that are read one by one, without those that cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy

from dmrnet.data.files.arrays.bad_rows import SkippedRow, skipped_rows
from dmrnet.data.files.arrays.ends import layout_as_trained
from dmrnet.data.files.arrays.layout import Layout
from dmrnet.data.files.arrays.numbers import FILL_IN
from dmrnet.data.python.items import LazyDataset
from dmrnet.data.python.records import SomeItems
from dmrnet.modalities import Modality, Task


def usable(
    data: LazyDataset, task: Task, stated: Mapping[str, Layout], cells: bool
) -> tuple[LazyDataset, tuple[SkippedRow, ...]]:
    """Return the samples that a training's task can read, and those that it cannot.

    A sample cannot be used that fails to load, is malformed, or has a modality of another shape, or
    NaN in part of one.

    Args:
        data: Samples of which bad ones are skipped.
        task: Task of the training.
        stated: Layouts that the data state.
        cells: Whether samples may hold NaN, for cells that are missing.

    Returns:
        The samples to read, and those that are skipped.

    Raises:
        ValueError: If every sample is bad.
    """
    summary, bad = data.summary, dict(data.summary.bad)
    for modality in task.inputs:
        shapes = {
            row: has[modality.name]
            for row, has in enumerate(summary.row_shapes)
            if modality.name in has
        }
        reasons = _misfits(data.path, Counter(shapes.values()), modality, stated)
        for row, shape in shapes.items():
            if shape in reasons and row not in bad:
                bad[row] = f"modality {modality.name}: {reasons[shape]}"
    for name, counts in summary.missing.items() if not cells else ():
        for row in counts:
            bad.setdefault(row, f"modality {name}: it holds NaN in part of its numbers; {FILL_IN}")
    if len(bad) == len(data):
        raise ValueError(f"{data.path}: every sample is bad; sample 0: {bad[0]}")
    kept = [row for row in range(len(data)) if row not in bad]
    return some_of(data, kept), skipped_rows(bad, None)


def some_of(data: LazyDataset, rows: Sequence[int]) -> LazyDataset:
    """Return some samples, of which none is skipped."""
    made = copy(data)
    made.items, made.bad_rows = SomeItems(data.items, rows), "refuse"
    made.groups = data.groups and tuple(data.groups[row] for row in rows)
    summary = data.summary.restricted(rows)
    summary.measure(data.kinds)
    made.__dict__["summary"] = summary
    return made


def _misfits(
    path: str, sizes: Counter[tuple[int, ...]], modality: Modality, stated: Mapping[str, Layout]
) -> dict[tuple[int, ...], str]:
    """Return the shapes of samples that are not read as the training's, and why.

    Of shapes that all fit, such as with channels first or last, the most frequent one is read.
    """
    reasons, fitting = {}, []
    known = stated.get(modality.name)
    for shape, _ in sizes.most_common():
        try:
            layout_as_trained(path, shape, modality, known, uneven=False)
            if not modality.ragged:
                fitting.append(shape)
        except ValueError as error:
            reason = str(error).removeprefix(f"{path}: modality {modality.name}: ")
            reasons[shape] = reason
    for shape in fitting[1:]:
        reasons[shape] = f"expected the shape {fitting[0]} of other samples, got {shape}"
    return reasons
