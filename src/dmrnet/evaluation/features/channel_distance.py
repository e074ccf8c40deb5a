"""Feature diversity: the distance between the channels of maps (Eq. 14-15, Fig. 1)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from dmrnet.evaluation.finite import check_finite

DistanceForm = Literal["printed", "cosine"]
"""The equation as printed in the paper, or the cosine distance that its text names."""

FORMS: tuple[DistanceForm, ...] = ("printed", "cosine")

BINS = 200
"""Number of bins of a histogram from 0 to 2, the range of both forms."""


def channel_distance(
    first: Tensor, second: Tensor | None = None, form: DistanceForm = "cosine"
) -> Tensor:
    r"""Return the distances between the channels of two maps of each sample.

    With F_m, F_n the maps of a sample as matrices (channels, positions):

    .. math:: F_o = F_m F_n^T, \quad D[k, l] = 1 - F_o[k, l] / \|F_o[k, :]\|_2
        \quad\text{or}\quad 1 - F_o[k, l] / (\|F_m[k]\| \|F_n[l]\|)

    On the left ``printed`` (Eq. 14-15): the divisor is the norm of a row of F_o, which gives no
    cosine and depends on the number of channels; for c equal channels the distance is
    ``1 - 1 / sqrt(c)``, not 0. On the right ``cosine``, the distance that the text names. A channel
    that is zero everywhere has no direction and hence no distance in either form; Eq. 15 would give
    it 1 if it is l, and 0 / 0 if it is k.

    Args:
        first: Maps ``(B, C_m, H, W)``.
        second: Maps ``(B, C_n, H, W)``; None for the first map itself (within a modality).
        form: ``printed`` or ``cosine``.

    Returns:
        Float64 tensor of shape ``(B, C_m, C_n)``, from 0 to 2; NaN where either channel is zero
        everywhere, and, in ``printed``, where channel k is orthogonal to every l.

    Raises:
        ValueError: If `form` is unknown, the maps do not match, have only one position, or contain
            NaN or infinite values.

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
            f"expected maps with the same samples and positions, got {tuple(first.shape)} and "
            f"{tuple(other.shape)}; bring them to one grid first"
        )
    if first.shape[2:].numel() == 1:
        raise ValueError(
            f"expected maps of several positions, got {tuple(first.shape)}; a channel of a single "
            "value has no direction"
        )
    for maps in (first, other):
        check_finite(maps, "maps")
    rows, columns = first.flatten(2).double(), other.flatten(2).double()
    gram = rows @ columns.transpose(1, 2)
    lengths = rows.norm(dim=2)[:, :, None] * columns.norm(dim=2)[:, None, :]
    divisor = gram.norm(dim=2, keepdim=True) if form == "printed" else lengths
    return 1 - torch.where((lengths > 0) & (divisor > 0), gram / divisor, torch.nan)


class Distances:
    """Histogram, mean and standard deviation of the distances of one pair of modalities.

    Attributes:
        counts: Histogram from 0 to 2, int64 tensor of shape ``(BINS,)``.
        undefined: Number of entries that are NaN.
        samples: Number of samples.
    """

    def __init__(self) -> None:
        self.counts = torch.zeros(BINS, dtype=torch.int64)
        self.undefined = 0
        self.samples = 0
        self._sum = 0.0
        self._squares = 0.0

    def add(self, distances: Tensor, itself: bool = False) -> None:
        """Add distances ``(B, C_m, C_n)``; of a map to itself, without the diagonal."""
        missing = distances.isnan()
        diagonal = 0
        if itself:
            missing.diagonal(dim1=1, dim2=2).fill_(True)
            diagonal = distances.shape[0] * distances.shape[1]
        number = int(missing.sum())
        # Rounding may leave a distance slightly outside; missing entries are below all bins.
        clean = distances.clamp(0, 2).masked_fill_(missing, -1.0)
        self.counts += clean.histc(BINS, 0, 2).long().cpu()
        self._sum += float(clean.sum()) + number
        self._squares += float(clean.square().sum()) - number
        self.undefined += number - diagonal
        self.samples += len(distances)

    @property
    def number(self) -> int:
        """Number of defined entries."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Mean over all defined entries of all samples; NaN without any."""
        return self._sum / self.number if self.number else float("nan")

    @property
    def deviation(self) -> float:
        """Standard deviation over the same entries."""
        if not self.number:
            return float("nan")
        return math.sqrt(max(0.0, self._squares / self.number - self.mean**2))
