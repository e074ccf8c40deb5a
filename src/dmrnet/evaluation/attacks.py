"""APCER, BPCER and ACER as torchmetrics metrics, for batches and several processes."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from dmrnet.evaluation.acer import ThresholdBy, threshold_of

Attacks = Literal["pooled", "each", "worst"]
"""Over all attacks together, each type of attack, or the worst type."""


class _AttackErrors(Metric):
    """Counts errors on attacks and on bona fide samples.

    Args:
        threshold: Threshold above which a score is accepted as bona fide.
        bona_fide: Number of the bona fide class; all others are attacks.
        types: Number of types of attack.
        over: Reduction of APCER over types.
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    accepted: Tensor
    attacks: Tensor
    rejected: Tensor
    bona_fides: Tensor

    def __init__(
        self, threshold: float = 0.5, bona_fide: int = 1, types: int = 1, over: Attacks = "pooled"
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
        """Count samples.

        Args:
            score: Float tensor of shape ``(n,)``: probability of bona fide.
            target: Int64 tensor of shape ``(n,)``: classes.
            kind: Int64 tensor of shape ``(n,)``: type of attack, from 0; ignored for bona fide
                samples. None for type 0.

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
        accepted = score > self.threshold
        kind = torch.zeros_like(target) if kind is None else kind
        of_attacks = kind[attack]
        if len(of_attacks) and not 0 <= int(of_attacks.min()) <= int(of_attacks.max()) < self.types:
            raise ValueError(
                f"expected types of attack from 0 to {self.types - 1}, got "
                f"{int(of_attacks.min())} to {int(of_attacks.max())}"
            )
        self.attacks += of_attacks.bincount(minlength=self.types)
        self.accepted += kind[attack & accepted].bincount(minlength=self.types)
        self.bona_fides += (~attack).sum()
        self.rejected += (~attack & ~accepted).sum()

    def _apcer(self) -> Tensor:
        if self.over == "pooled":
            return self.accepted.sum().double() / self.attacks.sum()
        each = self.accepted.double() / self.attacks
        if self.over == "each":
            return each
        defined = each[~each.isnan()]
        return defined.max() if len(defined) else each[0]

    def _bpcer(self) -> Tensor:
        return (self.rejected.double() / self.bona_fides).squeeze(0)


class APCER(_AttackErrors):
    """Share of attacks accepted as bona fide (ISO/IEC 30107-3); NaN without attacks.

    The paper's tables use ``pooled``; the standard reports the ``worst`` type of attack.

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
        """Return a float64 scalar, or ``(types,)`` over each type."""
        return self._apcer()


class BPCER(_AttackErrors):
    """Share of bona fide samples rejected as attacks (ISO/IEC 30107-3); NaN without any.

    >>> metric = BPCER(threshold=0.8)
    >>> metric.update(torch.tensor([0.9, 0.7]), torch.tensor([1, 1]))
    >>> metric.compute().item()
    0.5
    """

    def compute(self) -> Tensor:
        """Return a float64 scalar."""
        return self._bpcer()


class ACER(_AttackErrors):
    """Mean of APCER and BPCER; NaN without attacks or bona fide samples.

    >>> metric = ACER()
    >>> metric.update(torch.tensor([0.9, 0.2, 0.6, 0.4]), torch.tensor([0, 0, 1, 1]))
    >>> metric.compute().item()
    0.5
    """

    def compute(self) -> Tensor:
        """Return a float64 scalar, or ``(types,)`` over each type."""
        return (self._apcer() + self._bpcer()) / 2


class AttackThreshold(Metric):
    """The threshold of `threshold_of` on all samples of all processes.

    Args:
        by: Criterion, ``eer`` or ``min-acer``.
        bona_fide: Number of the bona fide class.

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
        """Add samples: scores, float ``(n,)``, and classes, int64 ``(n,)``."""
        self.score.append(score)
        self.real.append(target == self.bona_fide)

    def compute(self) -> Tensor:
        """Return a float64 scalar; NaN without samples of both kinds."""
        score, real = dim_zero_cat(self.score), dim_zero_cat(self.real)
        return torch.tensor(threshold_of(score, real, self.by), dtype=torch.float64)
