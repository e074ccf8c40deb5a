"""Missing cells: NaN in part of a modality that a sample has, filled from the training rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.filling import Cells
from dmrnet.data.inputs.steps import steps_there
from dmrnet.modalities import Modality

BLOCK = 2**20
"""Approximate number of values that are read at a time: 8 MB in float64."""

INDICATOR = "+indicator"
"""End of the values of `Cells` that append indicators."""

MOST_NOTES = 4
"""Above this number of modalities with missing cells, one sentence covers all of them."""

Fill = Literal["mean", "median", "zero"]


@dataclass(frozen=True)
class Imputer:
    """Replacement of missing cells, and indicators of them that the method sees.

    Attributes:
        fill: float64 ``(C,)`` of each modality, in the unit of the data: the value of each feature
            of a vector, or of each channel of a sequence, image or volume.
        flagged: int64 ``(k,)`` of each modality: features or channels with missing cells in
            training. Each has an indicator, appended as one more feature or channel: 1 where the
            cell is missing, else 0. Empty where none were asked for.
    """

    fill: Mapping[str, Tensor]
    flagged: Mapping[str, Tensor]

    def apply(self, name: str, block: Tensor) -> tuple[Tensor, Tensor]:
        """Fill missing cells.

        Args:
            name: Name of the modality.
            block: Rows ``(n, C, ...)``, NaN where a cell is missing.

        Returns:
            The filled rows, and the indicators, float32 ``(n, k, ...)``.

        >>> imputer = Imputer({"a": torch.tensor([5.0, 0.0])}, {"a": torch.tensor([0])})
        >>> filled, flags = imputer.apply("a", torch.tensor([[float("nan"), 2.0]]))
        >>> filled.tolist(), flags.tolist()
        ([[5.0, 2.0]], [[1.0]])
        """
        missing = block.isnan()
        fill = self.fill[name].to(block).reshape(1, -1, *[1] * (block.dim() - 2))
        flags = missing.index_select(1, self.flagged[name]).float()
        return torch.where(missing, fill, block), flags


def split_choice(cells: Cells) -> tuple[Fill, bool]:
    """Return the statistic of a choice other than ``refuse``, and whether indicators are appended.

    >>> split_choice("median+indicator")
    ('median', True)
    """
    return cast("Fill", cells.removesuffix(INDICATOR)), cells.endswith(INDICATOR)


def gaps(block: Tensor, ragged: bool) -> Tensor:
    """Return which cells of rows ``(n, C, ...)`` are missing; not those after a sequence's end."""
    missing = block.isnan()
    return missing & steps_there(block) if ragged else missing


def missing_by_channel(tensor: Tensor, present: Tensor, ragged: bool = False) -> Tensor:
    """Return the number of missing cells of present rows in each feature or channel.

    Args:
        tensor: Rows ``(n, C, ...)``, NaN where a cell is missing.
        present: Bool tensor ``(n,)``, True where the row counts.
        ragged: Whether rows are sequences that are NaN after their end.

    Returns:
        int64 tensor ``(C,)``.
    """
    across = [axis for axis in range(tensor.dim()) if axis != 1]
    missing = torch.zeros(tensor.shape[1], dtype=torch.int64)
    for rows in row_slices(tensor):
        missing += gaps(tensor[rows][present[rows]], ragged).sum(across)
    return missing


def check_observed(name: str, observed: Tensor) -> None:
    """Raise `ValueError` if a feature or channel has no value; `observed` counts them, ``(C,)``."""
    never = (observed == 0).nonzero().flatten().tolist()
    if never:
        more = f" (and {len(never) - 1} more)" if len(never) > 1 else ""
        raise ValueError(
            f"modality {name}: feature or channel {never[0]}{more}, counted from 0, has no value "
            "in any training row, so nothing can be learnt of it; leave it out"
        )


def medians(tensor: Tensor, present: Tensor) -> Tensor:
    """Return the median of each feature or channel over the values of present rows.

    Returns:
        float64 tensor ``(C,)``; of an even number of values, the mean of the middle two.
    """
    out = torch.empty(tensor.shape[1], dtype=torch.float64)
    for channel in range(tensor.shape[1]):
        values = tensor[:, channel][present].numpy().ravel()
        out[channel] = float(np.median(values[~np.isnan(values)].astype(np.float64)))
    return out


@dataclass(frozen=True)
class MissingCells:
    """Missing cells of a modality in the samples that have it.

    Attributes:
        rows: Number of samples in which some of it is missing.
        of: Number of samples that have it.
        share: Missing share of the numbers of those samples.
    """

    rows: int
    of: int
    share: float


def count_missing(
    arrays: Mapping[str, Tensor], present: Tensor, inputs: Sequence[Modality]
) -> dict[str, MissingCells]:
    """Count the missing cells of each modality; those without any are left out.

    Args:
        arrays: Rows ``(n, ...)`` of each modality.
        present: Bool tensor ``(n, V)``.
        inputs: Modality of each column of `present`.
    """
    counted = {}
    for column, modality in enumerate(inputs):
        array, ragged = arrays[modality.name], modality.ragged
        of, cells, missing, rows = int(present[:, column].sum()), 0, 0, 0
        for part in row_slices(array):
            block = array[part][present[part, column]]
            lost = gaps(block, ragged).flatten(1).sum(1)
            cells += int(steps_there(block).sum()) * block.shape[1] if ragged else block.numel()
            missing, rows = missing + int(lost.sum()), rows + int((lost > 0).sum())
        if missing:
            counted[modality.name] = MissingCells(rows, of, missing / cells)
    return counted


def cell_notes(
    role: str, missing: Mapping[str, MissingCells], cells: Cells | None = None
) -> list[str]:
    """Return sentences on missing cells: how many, and what stands for them; None: as in training.

    >>> cell_notes("train", {"tab": MissingCells(78, 160, 0.0312)}, "mean+indicator")
    ['train: 3.1 % of the cells of tab are missing, in 78 of 160 rows; filled with means, \
indicators appended']
    """
    if not missing:
        return []
    filled = "filled as in training"
    if cells is not None:
        fill, indicator = split_choice(cells)
        filled = f"filled with {fill}s{', indicators appended' if indicator else ''}"
    if len(missing) > MOST_NOTES:
        shares = sorted(one.share for one in missing.values())
        return [
            f"{role}: cells of {len(missing)} modalities are missing, {_percent(shares[0])} to "
            f"{_percent(shares[-1])} of each; {filled}"
        ]
    return [
        f"{role}: {_percent(one.share)} of the cells of {name} are missing, in {one.rows} of "
        f"{one.of} rows; {filled}"
        for name, one in missing.items()
    ]


def fill_values(
    arrays: Mapping[str, Tensor],
    present: Tensor,
    modalities: Sequence[str],
    fill: Fill,
    mean: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Return what stands for the missing cells of each modality, float64 ``(C,)``."""
    if fill == "mean":
        return dict(mean)
    if fill == "zero":
        return {name: torch.zeros_like(values) for name, values in mean.items()}
    return {
        name: medians(arrays[name], present[:, column]) for column, name in enumerate(modalities)
    }


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.0005 else "less than 0.1 %"


def row_slices(tensor: Tensor) -> Iterator[slice]:
    """Return slices of the rows of about `BLOCK` values."""
    step = max(1, BLOCK // max(1, tensor[:1].numel()))
    return (slice(start, start + step) for start in range(0, len(tensor), step))
