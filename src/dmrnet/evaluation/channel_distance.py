"""Feature diversity: the distance between the channels of maps (Eq. 14-15, Fig. 1)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from dmrnet.evaluation.finite import check_finite

Form = Literal["printed", "cosine"]
"""As the paper prints it, or the cosine distance that its text speaks of."""

FORMS: tuple[Form, ...] = ("printed", "cosine")

BINS = 200
"""Of a histogram from 0 to 2, between which both forms lie."""


def channel_distance(first: Tensor, second: Tensor | None = None, form: Form = "cosine") -> Tensor:
    r"""Return the distance of each channel of one map to each channel of another, by sample.

    With F_m, F_n the maps of a sample as matrices (channels, positions):

    .. math:: F_o = F_m F_n^T, \quad D[k, l] = 1 - F_o[k, l] / \|F_o[k, :]\|_2
        \quad\text{or}\quad 1 - F_o[k, l] / (\|F_m[k]\| \|F_n[l]\|)

    On the left ``printed`` (Eq. 14-15): it divides by the norm of a row of F_o, which is no cosine
    and moves with the number of channels; for c equal channels it is ``1 - 1 / sqrt(c)``, not 0. On
    the right ``cosine``, the distance that the text names.

    Args:
        first: ``(B, C_m, H, W)``.
        second: ``(B, C_n, H, W)``; None for the first itself (within a modality).
        form: ``printed`` or ``cosine``.

    Returns:
        float64 ``(B, C_m, C_n)``, from 0 to 2; NaN where a channel is zero everywhere, so that
        there is nothing to divide by.

    Raises:
        ValueError: If `form` is unknown, the maps do not match, have one position only, or hold NaN
            or infinite values.

    >>> maps = torch.tensor([[[[3.0, 0.0]], [[0.0, 1.0]], [[4.0, 4.0]]]])
    >>> channel_distance(maps)[0].round(decimals=3).tolist()
    [[0.0, 1.0, 0.293], [1.0, 0.0, 0.293], [0.293, 0.293, 0.0]]
    """
    other = first if second is None else second
    if form not in FORMS:
        raise ValueError(f"expected form as {' or '.join(FORMS)}, got {form!r}")
    for maps in (first, other):
        if maps.dim() != 4:
            raise ValueError(f"expected maps (batch, C, H, W), got {tuple(maps.shape)}")
    if first.shape[0] != other.shape[0] or first.shape[2:] != other.shape[2:]:
        raise ValueError(
            f"expected two maps of the same samples and positions, got {tuple(first.shape)} and "
            f"{tuple(other.shape)}; bring them to one grid first"
        )
    if first.shape[2:].numel() == 1:
        raise ValueError(
            f"channels have a distance on maps of several positions, got {tuple(first.shape)}: of "
            "a vector each channel is one number, which points nowhere"
        )
    for maps in (first, other):
        check_finite(maps, "maps")
    rows, columns = first.flatten(2).double(), other.flatten(2).double()
    gram = rows @ columns.transpose(1, 2)
    if form == "printed":
        length = gram.norm(dim=2, keepdim=True)
    else:
        length = rows.norm(dim=2)[:, :, None] * columns.norm(dim=2)[:, None, :]
    return 1 - torch.where(length > 0, gram / length, torch.nan)


class Distances:
    """Gathers the distances of one pair of modalities over samples: histogram, mean, deviation.

    Attributes:
        counts: int64 ``(BINS,)``, from 0 to 2.
        undefined: Entries that are NaN.
        samples: Samples seen.
    """

    def __init__(self) -> None:
        self.counts = torch.zeros(BINS, dtype=torch.int64)
        self.undefined = 0
        self.samples = 0
        self._sum = 0.0
        self._squares = 0.0

    def add(self, distances: Tensor, itself: bool = False) -> None:
        """Take in some samples.

        Args:
            distances: ``(B, C_m, C_n)``.
            itself: Leave out the diagonal, where a channel is compared with itself.
        """
        missing = distances.isnan()
        apart = 0
        if itself:
            missing.diagonal(dim1=1, dim2=2).fill_(True)
            apart = distances.shape[0] * distances.shape[1]
        lacking = int(missing.sum())
        # Rounding may leave a distance a hair outside; what is missing lies below all bins.
        clean = distances.clamp(0, 2).masked_fill_(missing, -1.0)
        self.counts += clean.histc(BINS, 0, 2).long().cpu()
        self._sum += float(clean.sum()) + lacking
        self._squares += float(clean.square().sum()) - lacking
        self.undefined += lacking - apart
        self.samples += len(distances)

    @property
    def number(self) -> int:
        """Entries that are defined."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Mean over all defined entries of all samples; NaN of none."""
        return self._sum / self.number if self.number else float("nan")

    @property
    def deviation(self) -> float:
        """Standard deviation over the same entries."""
        if not self.number:
            return float("nan")
        return math.sqrt(max(0.0, self._squares / self.number - self.mean**2))
