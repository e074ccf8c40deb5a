"""Terms of the loss, and their sum (Eq. 13)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from dmrnet.modalities import Batch, Inputs
from dmrnet.nn.fusion import Fused
from dmrnet.nn.layers.connected_zero import connected_zero
from dmrnet.nn.predictor import Output
from dmrnet.nn.representation import Representation


@dataclass(frozen=True)
class TaskLoss:
    """The task loss of each sample, before it is normalised.

    Attributes:
        per_sample: float32 ``(B,)``: cross-entropy of a sample, or its (weighted) sum over pixels.
        normaliser: What the sum over the batch is divided by: B, or the sum of pixel weights.
        size: float32 ``(B,)``: each sample's part of the normaliser; 1 for classification.
    """

    per_sample: Tensor
    normaliser: Tensor
    size: Tensor

    @property
    def mean(self) -> Tensor:
        """The task loss of the batch."""
        return self.per_sample.sum() / self.normaliser


@dataclass(frozen=True)
class View:
    """What a method made of the same features under a second mask."""

    mask: Tensor
    fused: Fused
    rep: Representation
    out: Output
    task: TaskLoss


@dataclass(frozen=True)
class Step:
    """All that a term may look at: one training step after the forward pass."""

    batch: Batch
    mask: Tensor
    feats: Inputs
    fused: Fused
    rep: Representation
    out: Output
    task: TaskLoss
    epoch: int
    second: View | None = None


class Term(nn.Module):
    """One named summand of the loss.

    Args:
        name: How it is logged.
        weight: Its weight; a subclass may let it depend on the epoch.

    Attributes:
        reads_hidden: It reads features of what is present but masked, so that encoders must run
            on all that is present.
    """

    reads_hidden: ClassVar[bool] = False

    def __init__(self, name: str, weight: float = 1.0) -> None:
        super().__init__()
        if not weight >= 0:
            raise ValueError(f"expected the weight of {name} as 0 or more, got {weight}")
        self.name = name
        self.full_weight = weight

    def weight(self, epoch: int) -> float:
        """Return the weight in an epoch, counted from 0."""
        return self.full_weight

    def second_mask(self, batch: Batch, epoch: int) -> Tensor | None:
        """Return a mask under which the samples are to be seen once more, if the term needs one.

        Bool ``(B, V)``, a non-empty part of what is present. What comes of it is `Step.second`.
        """
        return None

    def idle(self, step: Step) -> Tensor:
        """Return a zero on which all depends that the term would reach, where its weight is 0."""
        return connected_zero(self)

    def forward(self, step: Step) -> Tensor:
        """Return the unweighted term, a scalar."""
        raise TypeError(f"{type(self).__name__} does not say how its term is computed")


class TaskTerm(Term):
    """The task loss on all samples: L_TTL of Eq. 13 (Eq. 3, and Eq. 8 where s is sampled).

    Where samples are seen under two masks it is the average of both.

    Args:
        start_epoch: The first epoch, counted from 0, in which it acts.
    """

    def __init__(self, start_epoch: int = 0) -> None:
        super().__init__("task")
        self.start_epoch = start_epoch

    def weight(self, epoch: int) -> float:
        """Return 1 from the start epoch on, 0 before."""
        return self.full_weight if epoch >= self.start_epoch else 0.0

    def idle(self, step: Step) -> Tensor:
        """Return a zero that depends on the whole prediction, which no other term may read."""
        return connected_zero(step.task.per_sample)

    def forward(self, step: Step) -> Tensor:
        """Return the mean task loss."""
        if step.second is None:
            return step.task.mean
        return (step.task.mean + step.second.task.mean) / 2


class TotalLoss(nn.Module):
    """``L = sum of weight * term``; for DMRNet ``L = L_TTL + alpha L_DR + beta L_HCR`` (Eq. 13)."""

    def __init__(self, terms: Sequence[Term]) -> None:
        super().__init__()
        names = [term.name for term in terms]
        if len(set(names)) < len(names):
            raise ValueError(f"terms must have different names, got {', '.join(names)}")
        self.terms = nn.ModuleList(terms)

    def forward(self, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the total and each term by name, before weighting and detached.

        A term of weight 0 is not computed; parameters of its own (of the prediction, for the task
        loss) get zero gradients, rather than none, so that many processes and one behave alike.
        """
        total = torch.zeros((), device=step.mask.device)
        parts: dict[str, Tensor] = {}
        for term in self.terms:
            assert isinstance(term, Term)
            weight = term.weight(step.epoch)
            if weight == 0:
                total = total + term.idle(step)
                continue
            value = term(step)
            total = total + weight * value
            parts[term.name] = value.detach()
        return total, parts
