"""Terms of the loss, and their sum (Eq. 13)."""

from __future__ import annotations

from collections import Counter
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
from dmrnet.targets import TaskLoss


@dataclass(frozen=True)
class ForwardPass:
    """A pass of encoded samples through the stages, under one mask.

    Attributes:
        mask: Bool tensor of shape ``(B, V)``, True where a modality is visible.
        fused: Result of the fusion.
        rep: Representation of the fused map.
        out: Prediction.
        task: Task loss of the prediction.
    """

    mask: Tensor
    fused: Fused
    rep: Representation
    out: Output
    task: TaskLoss


@dataclass(frozen=True)
class Step(ForwardPass):
    """A training step after its forward pass: all that a term may read.

    Attributes:
        batch: Batch of the step.
        feats: What `encode` returned.
        epoch: Epoch, counted from 0.
        second: Forward pass of the same features under a second mask, if a term needs one.
        unimodal: Loss of each sample, ``(B,)``, divided by its normaliser, of each modality's own
            predictor; empty for methods without such predictors.
    """

    batch: Batch
    feats: Inputs
    epoch: int
    second: ForwardPass | None = None
    unimodal: tuple[Tensor, ...] = ()


class Term(nn.Module):
    """Base class of the named summands of the loss; a subclass defines `forward`.

    Args:
        name: Name in logs.
        weight: Weight of the term.
        start_epoch: First epoch, counted from 0, in which the term is added.

    Attributes:
        reads_hidden: Whether the term reads features of modalities that are present but masked, so
            that encoders must run on all present modalities.
    """

    reads_hidden: ClassVar[bool] = False

    def __init__(self, name: str, weight: float = 1.0, start_epoch: int = 0) -> None:
        super().__init__()
        if not weight >= 0:
            raise ValueError(f"expected a weight of {name} of 0 or more, got {weight}")
        self.name = name
        self.full_weight = weight
        self.start_epoch = start_epoch

    def weight(self, epoch: int) -> float:
        """Return the weight in an epoch, counted from 0."""
        return self.full_weight if epoch >= self.start_epoch else 0.0

    def second_mask(self, batch: Batch, epoch: int) -> Tensor | None:
        """Return a mask for a second forward pass, if the term needs one (`Step.second`).

        Returns:
            Bool tensor of shape ``(B, V)``, a non-empty part of what is present; or None.
        """
        return None

    def idle(self, step: Step) -> Tensor:
        """Return a zero for an epoch of weight 0, connected to the term's own parameters.

        They get zero gradients instead of None, as distributed training needs.
        """
        return connected_zero(self)

    def forward(self, step: Step) -> Tensor:
        """Return the unweighted term, a scalar."""
        raise TypeError(f"{type(self).__name__} does not define forward")


class TaskTerm(Term):
    """The task loss on all samples: L_TTL of Eq. 13 (Eq. 3, and Eq. 8 where s is sampled).

    With a second forward pass it is the mean of both passes.

    Args:
        start_epoch: First epoch, counted from 0, in which the term is added.
    """

    def __init__(self, start_epoch: int = 0) -> None:
        super().__init__("task", start_epoch=start_epoch)

    def idle(self, step: Step) -> Tensor:
        """Return a zero connected to the prediction, which no other term may read."""
        return connected_zero(step.task.per_sample)

    def forward(self, step: Step) -> Tensor:
        """Return the mean task loss."""
        if step.second is None:
            return step.task.mean
        return (step.task.mean + step.second.task.mean) / 2


class TotalLoss(nn.Module):
    """``L = sum of weight * term``; for DMRNet ``L = L_TTL + alpha L_DR + beta L_HCR`` (Eq. 13).

    Args:
        terms: Terms with different names.
    """

    def __init__(self, terms: Sequence[Term]) -> None:
        super().__init__()
        names = [term.name for term in terms]
        if twice := [name for name, number in Counter(names).items() if number > 1]:
            raise ValueError(
                f"expected terms of different names, got several {twice[0]!r} among "
                f"{', '.join(names)}; a function's name is that of its term: give it another"
            )
        self.terms = nn.ModuleList(terms)

    def second_mask(self, batch: Batch, epoch: int) -> Tensor | None:
        """Return the mask of the second forward pass, if a term needs one."""
        masks = (term.second_mask(batch, epoch) for term in self.terms)  # type: ignore[operator]
        return next((mask for mask in masks if mask is not None), None)

    def forward(self, step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the total loss, and each term by name, unweighted and detached.

        A term of weight 0 is not computed; see `Term.idle`.
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
