"""Weights and presence of samples, as they are given in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.arrays.objects import as_array


def checked_weights(weights: Any, rows: int) -> Array:  # noqa: ANN401
    """Return weights of samples, float32 ``(n,)``; raise `ValueError` if they are none."""
    array = np.ascontiguousarray(as_array(weights), dtype=np.float32)
    if array.shape != (rows,) or not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(
            f"expected weights of 0 or more of shape ({rows},), got {array.dtype} {array.shape}"
        )
    if not array.any():
        raise ValueError("expected weights that are not all zero, got only zeros")
    return array


def presence_table(present: Any, names: Sequence[str]) -> Array:  # noqa: ANN401
    """Return which samples have which modality, bool ``(n, V)``, from a table or columns by name.

    Raises:
        ValueError: If it is neither.
    """
    if isinstance(present, Mapping):
        if set(present) != set(names):
            raise ValueError(
                f"expected present for each of {', '.join(names)}, got {', '.join(present)}"
            )
        present = np.stack([np.asarray(as_array(present[name])) for name in names], 1)
    array: Array | None = as_array(present)
    if array is not None and array.dtype == np.bool_ and array.shape[1:] == (len(names),):
        return array
    got = type(present).__name__ if array is None else f"{array.dtype} {array.shape}"
    raise ValueError(
        f"expected present as bool (n, {len(names)}), a column for each of {', '.join(names)}; "
        f"got {got}"
    )
