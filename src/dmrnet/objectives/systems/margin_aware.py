"""MMANet's margin-aware distillation (MAD) from a teacher that sees all present modalities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from dmrnet.modalities.precision import at_least_float32
from dmrnet.nn.grid import pooled_to
from dmrnet.nn.layers.frozen import Frozen
from dmrnet.objectives.term import Step, Term

MOST_ROWS = 4096
"""Largest number of positions that are compared with each other, in dense tasks."""


class MarginAware(Term):
    r"""The student's similarities between samples should be the teacher's.

    .. math:: L = \sum_{ij} w_j (\hat G^s_{ij} - \hat G^t_{ij})^2, \quad w_j = H_j / \sum_k H_k

    with G-hat the `similarities` of the fused maps and H_j the entropy of the teacher's prediction:
    samples near its decision boundary, where class margins are small, weigh more. Computed over the
    samples of one process. In dense tasks positions of the fused maps take the place of samples,
    H is the mean over the pixels of a position, and each row is weighed by its own position, w_i in
    place of w_j; images are compared in groups of at most `MOST_ROWS` positions, whose terms are
    averaged.

    Source: Wei et al., CVPR 2023, as released, which weighs columns for classes and rows for
    pixels; there an underflowing probability gives NaN.

    Args:
        weight: Weight of the term; 30 in the source.
        start_epoch: First epoch, counted from 0, in which the term is added.

    Attributes:
        teacher: Frozen teacher; set before training.
    """

    reads_hidden: ClassVar[bool] = True

    def __init__(self, weight: float, start_epoch: int) -> None:
        super().__init__("margin_aware", weight, start_epoch)
        self.teacher: Frozen | None = None

    def forward(self, step: Step) -> Tensor:
        """Return the sum over pairs of samples."""
        if self.teacher is None:
            raise ValueError("expected a teacher, got none; set one with set_teacher(...)")
        teacher = self.teacher.module
        with torch.no_grad():
            feats = teacher.encode(step.batch.inputs, step.batch.where)  # type: ignore[operator]
            fused = teacher.fuse(feats, step.batch.present)  # type: ignore[operator]
            rep = teacher.represent(fused.map)  # type: ignore[operator]
            logits = teacher.predict(rep.value, fused).logits  # type: ignore[operator]
        if logits.dim() > 2:
            return self.over_positions(step.fused.map, fused.map, logits)
        difference = similarities(step.fused.map) - similarities(fused.map)
        return (difference.square() * margins(logits)).sum()

    def over_positions(self, student: Tensor, teacher: Tensor, logits: Tensor) -> Tensor:
        """Return the term over positions.

        Args:
            student: Fused maps of the student, ``(B, C, H, W)``.
            teacher: Fused maps of the teacher, ``(B, C', H, W)``.
            logits: Logits of the teacher, ``(B, M, H', W')``.
        """
        images = max(1, MOST_ROWS // student.shape[2:].numel())
        parts = []
        for one, other, some in zip(
            student.split(images), teacher.split(images), logits.split(images), strict=True
        ):
            with torch.no_grad():
                weights = shares(pixel_margins(some, one.shape[2:]))
                expected = similarities(rows_of_positions(other))
            difference = similarities(rows_of_positions(one)) - expected
            parts.append((difference.square().sum(1) * weights).sum() * one.shape[0])
        return torch.stack(parts).sum() / student.shape[0]


def similarities(maps: Tensor) -> Tensor:
    """Return the rows of the Gram matrix of ``(B, ...)``, scaled to unit length, ``(B, B)``."""
    flat = at_least_float32(maps.flatten(1))
    # Their differences are small: no half precision in the products.
    with torch.autocast(flat.device.type, enabled=False):
        return F.normalize(flat @ flat.T, dim=1)


def margins(logits: Tensor) -> Tensor:
    """Return each sample's share of the entropy of a batch of predictions.

    All shares are equal if every prediction is certain. NaN in the logits gives NaN.

    Args:
        logits: Logits ``(B, M)``.

    Returns:
        Tensor of shape ``(B,)`` that sums to 1.

    >>> [round(float(w), 3) for w in margins(torch.tensor([[0.0, 0.0], [0.0, 9.0], [0.0, 999.0]]))]
    [0.998, 0.002, 0.0]
    """
    log_p = at_least_float32(logits).log_softmax(1)
    # Where p underflows to 0 the logarithm is still finite, so that no 0 * inf arises.
    return shares((log_p.exp() * -log_p).sum(1))


def shares(entropy: Tensor) -> Tensor:
    """Return each entry's share of the sum of ``(n,)``; equal shares if all are 0."""
    total = entropy.sum()
    return torch.where(total == 0, 1 / len(entropy), entropy / total)


def pixel_margins(logits: Tensor, grid: Sequence[int]) -> Tensor:
    """Return the mean entropy of the pixels of each position of a grid, ``(B H W,)``.

    Args:
        logits: Logits ``(B, M, H', W')``.
        grid: Size of the grid along each axis.
    """
    log_p = at_least_float32(logits).log_softmax(1)
    entropy = (log_p.exp() * -log_p).sum(1, keepdim=True)
    return pooled_to(entropy, grid).flatten()


def rows_of_positions(maps: Tensor) -> Tensor:
    """Return the positions of maps ``(B, C, H, W)`` as rows ``(B H W, C)``."""
    return maps.movedim(1, -1).flatten(0, -2)
