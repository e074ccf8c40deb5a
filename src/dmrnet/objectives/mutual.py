"""Mutual learning between two random masks of the same sample."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from dmrnet.modalities import Batch
from dmrnet.objectives.term import Step, Term
from dmrnet.targets import CLASSES, Target


class Mutual(Term):
    r"""Each sample's predictions under two random masks learn from each other.

    .. math:: L = \frac{T^2}{2N} \sum_i KL(\bar q_i \| p_i) + KL(\bar p_i \| q_i)

    with p and q the softmax of logits / T under the first and the second mask; a bar means without
    gradient, so that each side teaches the other. In regression the mean squared difference of the
    standardised predictions stands in place of T^2 KL (`Target.divergence`). Encoders run once for
    both masks. The sampler draws the first mask. The second is one of the combinations of the
    present modalities, all equally likely; it is derived from the sample's number and the epoch, so
    that it does not depend on the number of processes.

    Source: ours, after Zhang et al., CVPR 2018 (deep mutual learning), between masks instead of
    networks. With a single modality both masks are equal and the term is 0.

    Args:
        mutual: Weight of the term; with 0 there still is a second forward pass, which is the
            control of this term.
        temperature: T.
        kind: What is predicted.
    """

    reads_hidden: ClassVar[bool] = True

    def __init__(
        self, mutual: float = 1.0, temperature: float = 2.0, kind: Target = CLASSES
    ) -> None:
        super().__init__("mutual", mutual)
        if not temperature > 0:
            raise ValueError(f"expected temperature above 0, got {temperature}")
        self.temperature = temperature
        self.kind = kind
        # Depends on the seed; a resumed run is built from the same seed.
        self.salt = int(torch.randint(1 << 31, ()))

    def second_mask(self, batch: Batch, epoch: int) -> Tensor:
        """Return a combination of each sample's present modalities, bool ``(B, V)``."""
        return mask_of(batch.present, batch.index, self.salt + epoch)

    def forward(self, step: Step) -> Tensor:
        """Return the mean over the batch, and over pixels in dense tasks."""
        assert step.second is not None
        one, two = step.out.logits, step.second.out.logits
        divergence, t = self.kind.divergence, self.temperature
        return (divergence(two, one, t) + divergence(one, two, t)) / 2


def mask_of(present: Tensor, index: Tensor, key: int) -> Tensor:
    """Draw one of the non-empty combinations of present modalities, all equally likely.

    Args:
        present: Bool tensor of shape ``(B, V)``.
        index: Number of each sample, int64 ``(B,)``.
        key: Key of the draw: the same numbers and key give the same masks.

    >>> present = torch.tensor([[True, True, False]]).expand(3000, -1)
    >>> mask = mask_of(present, torch.arange(3000), 7)
    >>> [int((mask[:, :2] == torch.tensor(want)).all(1).sum()) for want in ([1, 0], [0, 1], [1, 1])]
    [988, 1003, 1009]
    """
    number = present.sum(1)
    draw = uniform(index, key, present.shape[1] + 1)
    # The probability that the first r of m are hidden halves from r to r + 1; the rest are free.
    first = (-torch.log2(1 - draw[:, -1] * (1 - 0.5**number))).floor().minimum(number - 1)[:, None]
    rank = present.cumsum(1) - 1
    return present & ((rank == first) | ((rank > first) & (draw[:, :-1] < 0.5)))


def uniform(index: Tensor, key: int, columns: int) -> Tensor:
    """Return uniform float64 ``(B, columns)`` in [0, 1): a hash of number, key and column.

    The hash has 32 bits, so that its products (of 32 by 27 bits) fit into int64.
    """
    column = torch.arange(columns, device=index.device)
    hashed = _mix(torch.full((), key, device=index.device))
    return _mix(_mix(hashed + index[:, None]) + column) / 2**32


def _mix(x: Tensor) -> Tensor:
    x = x + 0x9E3779B9
    for _ in range(2):
        x = ((x >> 16 ^ x) & 0xFFFFFFFF) * 0x45D9F3B & 0xFFFFFFFF
    return x >> 16 ^ x
