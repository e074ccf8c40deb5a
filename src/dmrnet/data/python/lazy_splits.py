"""Splits of samples that are read one by one, and further samples read like those of a training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.checks.concerns import class_notes, combination_notes, warnings_of
from dmrnet.data.dataset import Splits
from dmrnet.data.files.arrays.bad_rows import SkippedRow
from dmrnet.data.files.arrays.ends import layout_as_trained, steps_note
from dmrnet.data.files.arrays.labels import learn_target
from dmrnet.data.files.arrays.layout import (
    Layout,
    guess_layout,
    parse_kind,
    reading_notes,
)
from dmrnet.data.files.reading import arranged
from dmrnet.data.filling import Cells
from dmrnet.data.inputs.cells import cell_notes
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.data.inputs.streaming import fit_streamed
from dmrnet.data.python.item_summary import in_order
from dmrnet.data.python.items import ItemRows, LazyDataset
from dmrnet.data.python.usable import usable
from dmrnet.data.splits.groups import hold_out_rows
from dmrnet.data.splits.split import generator, hold_out
from dmrnet.modalities import Modality, Task
from dmrnet.targets import target_of


def lazy_splits(
    train: LazyDataset,
    val: LazyDataset | None,
    test: LazyDataset | None,
    seed: int,
    val_share: float,
    cells: Cells = "refuse",
    unscaled: Sequence[str] = (),
) -> Splits:
    """Return the splits of samples that are read lazily, with the training rows' standardiser.

    Raises:
        ValueError: If samples do not fit together, their labels are of no known kind, or `cells` is
            the median, which needs all samples at once.
    """
    filled = cells != "refuse"
    summary = train.summary
    if lost := [name for name in train.raw(0)[0] if name not in summary.shapes]:
        raise ValueError(
            f"{train.path}: modality {lost[0]} is absent in every sample, so nothing can be learnt "
            "of it; leave it out"
        )
    rows = torch.arange(len(train))
    column = learn_target(train.path, train.labels_of(rows), train.target, train.labels)
    layouts = _layouts(train)
    inputs = tuple(
        Modality(name, layouts[name].kind, layouts[name].shape(shape), name in summary.kinds)
        for name, shape in summary.shapes.items()
    )
    task = Task(inputs, column.classes, target=column.target)
    read_as = {name: (summary.shapes[name], layout) for name, layout in layouts.items()}
    notes = [*reading_notes(read_as), *column.notes]
    whole = ItemRows(train, rows, task, layouts, cells=filled)
    if val is None:
        draw, strata = generator(seed, "split"), target_of(task).strata(whole.target)
        held, wholly = hold_out(strata, val_share, draw), ""
        # Groups are drawn after the rows, which is part of what a seed means.
        if whole.groups is not None:
            wholly = " in whole groups"
            held = hold_out_rows(strata, whole.groups, val_share, draw)
            if not held.any():
                raise ValueError(
                    f"{train.path}: {len(set(whole.groups))} groups are too few to hold "
                    f"{100 * val_share:g} % out for validation; give val"
                )
        training = ItemRows(train, rows[~held], task, layouts, cells=filled)
        validation = ItemRows(train, rows[held], task, layouts, cells=filled)
        notes.append(
            f"val: {100 * val_share:g} % of train held out{wholly} ({int(held.sum())} samples)"
        )
    else:
        training, validation = whole, every_row(val, task, layouts, cells=filled)
    testing = None if test is None else every_row(test, task, layouts, cells=filled)
    standardiser = fit_streamed(
        _tensors_of(training), task.modalities, cells, tuple(summary.kinds)
    ).leave(unscaled)
    parts = {"train": training, "val": validation, "test": testing}
    for role, part in parts.items():
        if part is not None:
            part.standardise(standardiser)
            notes += [
                steps_note(role, one.name, np.array(part.lengths(one.name)))
                for one in part.task.inputs
                if one.ragged and one.name in part.layouts
            ]
            notes += cell_notes(role, part.missing_cells(), cells if role == "train" else None)
            part.warnings = part.doubts(role, None if role == "train" else standardiser.constants())
    notes += [*combination_notes(training.present, task.modalities), *class_notes(training)]
    return Splits(
        train.path,
        training,
        validation,
        testing,
        tuple(notes),
        standardiser,
        columns=task.modalities,
        whole_labels=column.whole,
        warnings=warnings_of(training, validation, testing),
        cells=cells,
    )


def _layouts(train: LazyDataset) -> dict[str, Layout]:
    """Return the layout of each modality: as stated, as its samples show, or as guessed."""
    layouts = {}
    for name, shape in train.summary.shapes.items():
        stated = train.summary.kinds.get(name) or train.kinds.get(name)
        layouts[name] = parse_kind(stated) if stated else guess_layout(shape, name)
    return layouts


def every_row(
    data: LazyDataset,
    task: Task,
    layouts: Mapping[str, Layout] | None = None,
    standardiser: Standardiser | None = None,
    need_target: bool = True,
    cells: bool = False,
) -> ItemRows:
    """Return all samples as a training reads them; `cells` allows missing ones.

    Raises:
        ValueError: If the shape of a modality is not that of the task.
    """
    stated = {name: parse_kind(kind) for name, kind in data.kinds.items()}
    if standardiser is not None:
        task, cells = standardiser.without_flags(task), standardiser.imputer is not None
    skipped: tuple[SkippedRow, ...] = ()
    if data.bad_rows == "skip":
        data, skipped = usable(data, task, stated, cells)
    uneven, shapes = data.summary.kinds, data.summary.shapes
    stated |= {name: parse_kind(kind) for name, kind in uneven.items()}
    read_as, inputs = {}, list(task.inputs)
    for column, one in enumerate(task.inputs):
        if one.name in shapes:
            known = stated.get(one.name) or (layouts or {}).get(one.name)
            shape, differ = shapes[one.name], one.name in uneven
            read_as[one.name] = layout_as_trained(data.path, shape, one, known, differ)
            if one.ragged:
                inputs[column] = replace(one, shape=read_as[one.name].shape(shape))
    task = replace(task, inputs=tuple(inputs))
    rows = ItemRows(data, torch.arange(len(data)), task, read_as, need_target, cells)
    rows.standardise(standardiser)
    if standardiser is not None:
        rows.warnings = rows.doubts("file", standardiser.constants())
    rows.leave_out(skipped)
    if rows.file_rows is not None:
        rows.samples = tuple(map(str, rows.file_rows.tolist()))
    return rows


def _tensors_of(train: ItemRows) -> Iterator[dict[str, Tensor]]:
    """Read the training samples in order, channels first."""
    for inputs, _ in in_order(train.data, train.rows.tolist()):
        yield {
            name: arranged(array[None], train.layouts[name])[0] for name, array in inputs.items()
        }
