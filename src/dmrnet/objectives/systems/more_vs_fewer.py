"""SimMLM's ranking term: seeing more modalities must not raise a sample's loss."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from dmrnet.modalities import Batch
from dmrnet.objectives.mutual import uniform
from dmrnet.objectives.term import Step, Term


class MoreVsFewer(Term):
    r"""Ranks the losses of two nested combinations of each sample.

    .. math:: L = \frac1N \sum_i \max(0, \ell_i(S_i^+) - \ell_i(S_i^-)), \quad S_i^- \subset S_i^+

    The sampler draws one combination; the other is one of the present modalities' combinations
    that it contains or that contain it, all equally likely (`nested_mask`). A sample without such
    a combination adds nothing.

    Source: Li et al., ICCV 2025 (SimMLM's MoFe loss). Its released code has a gradient through both
    losses, so that a pair in the wrong order also raises the loss of the smaller combination.

    Args:
        weight: Weight of the term; .1 in the source. With 0 there still is a second forward pass,
            which is the control of this term.
        detach_fewer: Whether the smaller combination's loss gets no gradient.
    """

    reads_hidden: ClassVar[bool] = True

    def __init__(self, weight: float, detach_fewer: bool = True) -> None:
        super().__init__("more_vs_fewer", weight)
        self.detach_fewer = detach_fewer
        # Depends on the seed; a resumed run is built from the same seed.
        self.salt = int(torch.randint(1 << 31, ()))

    def second_mask(self, batch: Batch, epoch: int) -> Tensor:
        """Return a nested combination of each sample's present modalities, bool ``(B, V)``."""
        assert batch.mask is not None
        return nested_mask(batch.mask, batch.present, batch.index, self.salt + epoch)

    def forward(self, step: Step) -> Tensor:
        """Return the mean over the batch, or over labelled pixels in dense tasks."""
        assert step.second is not None
        one, two = step.task.per_sample, step.second.task.per_sample
        difference = step.mask.sum(1) - step.second.mask.sum(1)
        more = torch.where(difference > 0, one, two)
        fewer = torch.where(difference > 0, two, one)
        if self.detach_fewer:
            fewer = fewer.detach()
        excess = torch.where(difference != 0, (more - fewer).clamp(min=0), 0.0)
        return excess.sum() / step.task.normaliser


def nested_mask(mask: Tensor, present: Tensor, index: Tensor, key: int) -> Tensor:
    """Draw a combination that is smaller or larger than a mask, all equally likely.

    These are the ``2^a - 2`` non-empty proper parts of a mask of a modalities, and its ``2^b - 1``
    unions with some of the other b present ones. Without any, the mask itself is returned.

    Args:
        mask: Bool tensor of shape ``(B, V)``, a non-empty part of `present`.
        present: Bool tensor of shape ``(B, V)``.
        index: Number of each sample, int64 ``(B,)``.
        key: Key of the draw: the same numbers and key give the same masks.

    >>> mask = torch.tensor([[True, True, False]]).expand(3000, -1)
    >>> drawn = nested_mask(mask, torch.ones_like(mask), torch.arange(3000), 7)
    >>> [
    ...     int((drawn == torch.tensor(want)).all(1).sum())
    ...     for want in ([1, 0, 0], [0, 1, 0], [1] * 3)
    ... ]
    [1049, 1000, 951]
    """
    others = present & ~mask
    parts, unions = (2.0 ** side.sum(1).double() for side in (mask, others))
    parts, unions = parts - 2, unions - 1
    high, low = uniform(index, key, 2).unbind(1)
    fraction = high + (low * 2**20).floor() / 2**52
    number = (fraction * (parts + unions)).floor()
    smaller = number < parts
    # Combination number n of a set shows its k-th member if bit k of n is 1.
    number = (torch.where(smaller, number, number - parts) + 1).long()
    rank = torch.where(mask, mask.cumsum(1), others.cumsum(1)) - 1
    bit = (number[:, None] >> rank.clamp(min=0) & 1).bool()
    return torch.where(smaller[:, None], mask & bit, mask | (others & bit))
