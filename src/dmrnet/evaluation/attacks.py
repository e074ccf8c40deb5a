"""APCER, BPCER and ACER as torchmetrics metrics: they add up over batches and processes."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from dmrnet.evaluation.acer import ThresholdBy, threshold_of

Over = Literal["pooled", "each", "worst"]
"""Over all attacks, of each type of attack, or of the worst type."""


class _AttackErrors(Metric):
    """Counts errors on attacks and on bona fide samples; `update` takes scores and classes.

    Args:
        threshold: A sample is taken as bona fide where its score is above it.
        bona_fide: The class that is no attack.
        types: How many types of attack there are, for `update`.
        over: How APCER is taken over the types.
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    accepted: Tensor
    attacks: Tensor
    rejected: Tensor
    bona_fides: Tensor

    def __init__(
        self, threshold: float = 0.5, bona_fide: int = 1, types: int = 1, over: Over = "pooled"
    ) -> None:
        super().__init__()
        if over not in ("pooled", "each", "worst"):
            raise ValueError(f"expected over as pooled, each or worst, got {over!r}")
        if types < 1:
            raise ValueError(f"expected one type of attack or more, got {types}")
        self.threshold, self.bona_fide, self.types, self.over = threshold, bona_fide, types, over
        for name, size in (("accepted", types), ("attacks", types), ("rejected", 1)):
            self.add_state(name, torch.zeros(size, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("bona_fides", torch.zeros(1, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, score: Tensor, target: Tensor, kind: Tensor | None = None) -> None:
        """Count some samples.

        Args:
            score: float ``(n,)``: the probability of bona fide.
            target: int64 ``(n,)``: the class; everything but `bona_fide` is an attack.
            kind: int64 ``(n,)``: the type of attack, from 0; not read of bona fide samples. None:
                all are of type 0.

        Raises:
            ValueError: If shapes differ, a score is not finite, or a type is unknown.
        """
        if score.dim() != 1 or score.shape != target.shape:
            raise ValueError(
                f"expected scores and classes (n,), got {tuple(score.shape)} and "
                f"{tuple(target.shape)}"
            )
        if not bool(score.isfinite().all()):
            raise ValueError("expected finite scores, got one that is not")
        attack = target != self.bona_fide
        taken = score > self.threshold
        kind = torch.zeros_like(target) if kind is None else kind
        of_attacks = kind[attack]
        if len(of_attacks) and not 0 <= int(of_attacks.min()) <= int(of_attacks.max()) < self.types:
            raise ValueError(
                f"expected types of attack from 0 to {self.types - 1}, got "
                f"{int(of_attacks.min())} to {int(of_attacks.max())}"
            )
        self.attacks += of_attacks.bincount(minlength=self.types)
        self.accepted += kind[attack & taken].bincount(minlength=self.types)
        self.bona_fides += (~attack).sum()
        self.rejected += (~attack & ~taken).sum()

    def _apcer(self) -> Tensor:
        if self.over == "pooled":
            return self.accepted.sum().double() / self.attacks.sum()
        each = self.accepted.double() / self.attacks
        if self.over == "each":
            return each
        seen = each[~each.isnan()]
        return seen.max() if len(seen) else each[0]

    def _bpcer(self) -> Tensor:
        return (self.rejected.double() / self.bona_fides).squeeze(0)


class APCER(_AttackErrors):
    """Share of attacks taken as bona fide (ISO/IEC 30107-3); NaN where there is no attack.

    ``pooled`` is what the paper's tables have; the norm reports the ``worst`` type of attack.

    >>> metric = APCER(types=2, over="each")
    >>> metric.update(
    ...     torch.tensor([0.9, 0.2, 0.1, 0.7]),
    ...     torch.tensor([0, 0, 0, 1]),
    ...     torch.tensor([0, 0, 1, 0]),
    ... )
    >>> metric.compute().tolist()
    [0.5, 0.0]
    """

    def compute(self) -> Tensor:
        """Return float64, a scalar or ``(types,)``."""
        return self._apcer()


class BPCER(_AttackErrors):
    """Share of bona fide samples taken as attacks (ISO/IEC 30107-3); NaN where there is none.

    >>> metric = BPCER(threshold=0.8)
    >>> metric.update(torch.tensor([0.9, 0.7]), torch.tensor([1, 1]))
    >>> metric.compute().item()
    0.5
    """

    def compute(self) -> Tensor:
        """Return a float64 scalar."""
        return self._bpcer()


class ACER(_AttackErrors):
    """Mean of APCER and BPCER; NaN unless there are attacks and bona fide samples.

    >>> metric = ACER()
    >>> metric.update(torch.tensor([0.9, 0.2, 0.6, 0.4]), torch.tensor([0, 0, 1, 1]))
    >>> metric.compute().item()
    0.5
    """

    def compute(self) -> Tensor:
        """Return float64, a scalar or, over each type of attack, ``(types,)``."""
        return (self._apcer() + self._bpcer()) / 2


class AttackThreshold(Metric):
    """The threshold that `threshold_of` sets on all samples seen, on every process the same.

    Args:
        by: ``eer`` or ``min-acer``.
        bona_fide: The class that is no attack.

    >>> metric = AttackThreshold("eer")
    >>> metric.update(torch.tensor([0.25, 0.75]), torch.tensor([0, 1]))
    >>> metric.compute().item()
    0.5
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False
    score: list[Tensor]
    real: list[Tensor]

    def __init__(self, by: ThresholdBy = "eer", bona_fide: int = 1) -> None:
        super().__init__()
        self.by, self.bona_fide = by, bona_fide
        self.add_state("score", [], dist_reduce_fx="cat")
        self.add_state("real", [], dist_reduce_fx="cat")

    def update(self, score: Tensor, target: Tensor) -> None:
        """Take in some samples: float ``(n,)``, int64 ``(n,)``."""
        self.score.append(score)
        self.real.append(target == self.bona_fide)

    def compute(self) -> Tensor:
        """Return a float64 scalar; NaN without both kinds of samples."""
        score, real = dim_zero_cat(self.score), dim_zero_cat(self.real)
        return torch.tensor(threshold_of(score, real, self.by), dtype=torch.float64)
