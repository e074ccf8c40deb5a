"""Samples of a run in the units of its training, as exported graphs read them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.modalities import Batch


def raw_inputs(run: FinishedRun, batch: Batch, names: Sequence[str]) -> dict[str, Array]:
    """Return the arrays of some modalities before they were standardised.

    Args:
        run: The run.
        batch: Its samples, standardised.
        names: Modalities.

    Returns:
        An array ``(B, *shape)`` of each, float32, or float64 where float32 is too coarse. NaN
        stands for missing cells and follows the end of a ragged sequence; absent rows are zero.
    """
    columns = {name: column for column, name in enumerate(run.task.modalities)}
    return {
        name: _raw(run, name, batch.inputs[name], batch.present[:, columns[name]]).numpy()
        for name in names
    }


def _raw(run: FinishedRun, name: str, x: Tensor, present: Tensor) -> Tensor:
    scale = run.standardiser
    if scale is None:
        return x
    (shape,) = (one.shape for one in scale.without_flags(run.task).inputs if one.name == name)
    raw = scale.invert(name, x.double(), present)
    if scale.imputer is not None and len(flagged := scale.imputer.flagged[name]):
        # Cells that were filled without an indicator are filled with the same number again.
        flags = x[:, shape[0] : shape[0] + len(flagged)] > 0
        raw[:, flagged] = raw[:, flagged].masked_fill(flags, torch.nan)
    if name in scale.ragged:
        # Batches are cut to their longest sample.
        raw = F.pad(raw, (0, shape[-1] - raw.shape[-1]), value=torch.nan)
    return raw if name in scale.fine else raw.float()
