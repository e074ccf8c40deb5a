"""Samples to predict and to score, in the forms that people give them."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dmrnet.data.files.arrays.objects import as_array
from dmrnet.data.files.arrays.resize import parse_size
from dmrnet.data.python.given import MultimodalDataset
from dmrnet.data.python.items import LazyDataset
from dmrnet.engine.run.finished import FinishedRun


def samples_of(
    inputs: Any,  # noqa: ANN401
    present: Any,  # noqa: ANN401
    run: FinishedRun,
) -> MultimodalDataset | LazyDataset | str:
    """Return samples to predict.

    Args:
        inputs: A data set, a file, a mapping from modalities to arrays, or a list of such mappings,
            one per sample.
        present: Bool array ``(n, V)`` for a mapping of arrays, or None.
        run: Run that predicts.

    Raises:
        TypeError: If they are of another kind.
        ValueError: If they are one sample without its batch dimension, or every modality is None.
    """
    task = run.task
    # Images with a class for every pixel are predicted at their own size.
    size = None if task.dense else run.settings.data.image_size
    if isinstance(inputs, Mapping):
        for modality in task.inputs:
            if not modality.ragged:
                _check_batch(modality.name, modality.shape, inputs.get(modality.name))
        some = _sizes_of(size, inputs)
        kinds = _kinds_of(run, inputs)
        return MultimodalDataset(inputs, present=present, kinds=kinds, size=some, name="inputs")
    if present is not None:
        raise TypeError("expected present with a mapping of arrays only")
    if isinstance(inputs, list | tuple) and all(isinstance(one, Mapping) for one in inputs):
        named = {name: value for one in inputs for name, value in one.items()}
        some = _sizes_of(size, named)
        kinds = _kinds_of(run, named)
        return MultimodalDataset.from_records(inputs, kinds=kinds, size=some, name="inputs")
    if isinstance(inputs, MultimodalDataset | LazyDataset):
        return inputs
    if isinstance(inputs, str | Path):
        return str(inputs)
    raise TypeError(
        f"expected inputs as a mapping from {', '.join(task.modalities)} to arrays, a list of such "
        f"mappings, a MultimodalDataset, a LazyDataset or an .npz file, got {type(inputs).__name__}"
    )


def _kinds_of(run: FinishedRun, inputs: Container[str]) -> dict[str, str]:
    """Return the kinds of given inputs, as far as the training knows them."""
    known, task = dict(run.settings.data.kinds or {}), run.task
    if run.standardiser is not None:
        task = run.standardiser.without_flags(task)
    for one in task.inputs:
        if one.ragged and one.shape[0] == 1:
            # Rows of one axis would not say that they are sequences.
            known.setdefault(one.name, "sequence")
    return {name: kind for name, kind in known.items() if name in inputs}


def check_test(test: object) -> None:
    """Refuse test samples without labels.

    Raises:
        TypeError: If they are no data set and no file.
    """
    if test is None or isinstance(test, MultimodalDataset | LazyDataset | str | Path):
        return
    raise TypeError(
        "expected test samples with labels: a MultimodalDataset(inputs, y), a LazyDataset or an "
        f".npz file, got {type(test).__name__}"
    )


def _sizes_of(size: Any, names: Container[str]) -> dict[str, tuple[int, int]]:  # noqa: ANN401
    """Return the sizes of the images that are given; others may be left out."""
    return {name: one for name, one in parse_size(size).items() if not name or name in names}


def _check_batch(name: str, shape: tuple[int, ...], value: object) -> None:
    # A row of single numbers may be a column of samples.
    if value is None or shape == (1,):
        return
    array = as_array(value)
    if array is not None and array.dtype != object and np.shape(array) == shape:
        raise ValueError(
            f"modality {name}: got one sample of shape {shape}; samples have a dimension for their "
            "number, too: x[None]"
        )
