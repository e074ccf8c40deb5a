"""Mutual learning between two random masks of the same sample."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from dmrnet.modalities import Batch
from dmrnet.nn.layers.precision import at_least_float32
from dmrnet.objectives.term import Step, Term


class Mutual(Term):
    r"""Each sample's predictions under two random masks learn from each other.

    .. math:: L = \frac{T^2}{2N} \sum_i KL(\bar q_i \| p_i) + KL(\bar p_i \| q_i)

    with p and q the softmax of the logits over T under the first and the second mask, and a bar for
    what is held fixed, so that each side teaches and neither is drawn to the other's mistakes by
    the teacher's gradient. Encoders run once for both masks. The first mask is the sampler's; the
    second is one of the combinations of what is present, each equally likely, and follows from the
    sample's number and the epoch, so that how many processes there are does not change it.

    Source: ours; as Zhang et al., CVPR 2018 (deep mutual learning) between masks and not between
    networks. With one modality both masks are the same and the term is 0.

    Args:
        mutual: Its weight; at 0 samples are seen under two masks all the same, which is the
            control of this term.
        temperature: T.
    """

    reads_hidden: ClassVar[bool] = True

    def __init__(self, mutual: float = 1.0, temperature: float = 2.0) -> None:
        super().__init__("mutual", mutual)
        if not temperature > 0:
            raise ValueError(f"expected temperature above 0, got {temperature}")
        self.temperature = temperature
        # Differs from seed to seed; a run that goes on is built from the same seed.
        self.salt = int(torch.randint(1 << 31, ()))

    def second_mask(self, batch: Batch, epoch: int) -> Tensor:
        """Return bool ``(B, V)``: another combination of what each sample has."""
        return mask_of(batch.present, batch.index, self.salt + epoch)

    def forward(self, step: Step) -> Tensor:
        """Return the mean over the batch, and over pixels where these have classes."""
        assert step.second is not None
        one, two = (
            at_least_float32(out.logits / self.temperature).log_softmax(1)
            for out in (step.out, step.second.out)
        )
        return self.temperature**2 * (divergence(two, one) + divergence(one, two)) / 2


def divergence(teacher: Tensor, student: Tensor) -> Tensor:
    """Return ``KL(teacher || student)`` of log-probabilities ``(B, M, ...)``, averaged over B, ...

    The teacher has no gradient.
    """
    teacher = teacher.detach()
    return (teacher.exp() * (teacher - student)).sum(1).mean()


def mask_of(present: Tensor, index: Tensor, key: int) -> Tensor:
    """Draw one of the non-empty combinations of what is present, each equally likely.

    Args:
        present: bool ``(B, V)``.
        index: int64 ``(B,)``: the samples' numbers.
        key: The same numbers and key give the same masks.

    >>> present = torch.tensor([[True, True, False]]).expand(3000, -1)
    >>> mask = mask_of(present, torch.arange(3000), 7)
    >>> [int((mask[:, :2] == torch.tensor(want)).all(1).sum()) for want in ([1, 0], [0, 1], [1, 1])]
    [988, 1003, 1009]
    """
    held = present.sum(1)
    draw = uniform(index, key, present.shape[1] + 1)
    # The chance that the first r of m are hidden halves from r to r + 1; behind it all are free.
    first = (-torch.log2(1 - draw[:, -1] * (1 - 0.5**held))).floor().minimum(held - 1)[:, None]
    rank = present.cumsum(1) - 1
    return present & ((rank == first) | ((rank > first) & (draw[:, :-1] < 0.5)))


def uniform(index: Tensor, key: int, columns: int) -> Tensor:
    """Return float64 ``(B, columns)`` in [0, 1), spread evenly: a hash of number, key and column.

    32 bits in int64, where the products (of 32 by 27 bits) have room.
    """
    column = torch.arange(columns, device=index.device)
    of_key = _mix(torch.full((), key, device=index.device))
    return _mix(_mix(of_key + index[:, None]) + column) / 2**32


def _mix(x: Tensor) -> Tensor:
    x = x + 0x9E3779B9
    for _ in range(2):
        x = ((x >> 16 ^ x) & 0xFFFFFFFF) * 0x45D9F3B & 0xFFFFFFFF
    return x >> 16 ^ x
