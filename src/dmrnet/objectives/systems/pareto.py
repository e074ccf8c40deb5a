"""MMPareto: losses of single modalities, whose gradients are integrated with the fused loss's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from dmrnet.modalities import Task
from dmrnet.nn.layers.pointwise import Pointwise
from dmrnet.objectives.task import as_buffer, pixel_cross_entropy
from dmrnet.objectives.term import Step, Term
from dmrnet.targets import outputs_of, target_of

Rescale = Literal["encoder", "tensor"]
"""Gradients that are scaled to the size of the sum: an encoder's, or each tensor's (released)."""


class UnimodalLosses(Term):
    """``L = 1/N sum_n sum_{v in n} CE(W_v GAP(f_v) + b_v, y)``, over present modalities.

    Where something else than a class is predicted, its loss stands in place of CE. In dense tasks
    W_v is a 1x1 convolution on the map, and the loss covers labelled pixels. The heads belong to
    the term and are not used at inference.

    Args:
        task: Modalities and what is predicted.
        features: Name of each modality's feature.
        channels: Number of channels of each.
    """

    reads_hidden: ClassVar[bool] = True
    class_weights: Tensor | None

    def __init__(self, task: Task, features: Sequence[str], channels: Sequence[int]) -> None:
        super().__init__("each_present")
        self.features, self.dense = tuple(features), task.dense
        many = outputs_of(task)
        self.kind = target_of(task)
        self.heads = nn.ModuleList(
            Pointwise(c, many) if task.dense else nn.Linear(c, many) for c in channels
        )
        self.register_buffer("class_weights", as_buffer(task.class_weights), persistent=False)

    def forward(self, step: Step) -> Tensor:
        """Return the sum over modalities of the mean over the batch."""
        total = step.task.per_sample.new_zeros(())
        target, present = step.batch.target, step.batch.present
        for name, head, column in zip(self.features, self.heads, present.unbind(1), strict=True):
            if self.dense:
                losses = pixel_cross_entropy(head(step.feats[name]), target, self.class_weights)
            else:
                losses = self.kind.loss(head(step.feats[name].mean((2, 3))), target)
            total = (
                total
                + torch.where(column, step.batch.weigh(losses.per_sample), 0.0).sum()
                / losses.normaliser
            )
        return total


def integrate(
    fused: Tensor, own: Tensor, sizes: Sequence[int], gamma: float, rescale: Rescale = "encoder"
) -> Tensor:
    r"""Return the gradient of an encoder from those of the fused loss and of its own.

    .. math:: h = 2 k g_m + 2 (1 - k) g_u, \quad
        k = \tfrac12 \text{ if } g_m \cdot g_u > 0 \text{ else } \arg\min_{k \in [0, 1]} |h|

    scaled by ``gamma max(1, |g_m + g_u| / |h|)``. If one of both is zero, k is one half.

    Args:
        fused: g_m, the encoder's tensors flattened in a row.
        own: g_u, in the same order.
        sizes: Number of values of each tensor.
        gamma: Factor that enlarges the gradient.
        rescale: Whether norms are those of the encoder or of each tensor.

    >>> integrate(torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 1.0]), [2], 1.0)
    tensor([0.4472, 0.8944])
    """
    product, of_fused, of_own = fused.dot(own), fused.dot(fused), own.dot(own)
    conflict = (product <= 0) & (of_fused > 0) & (of_own > 0)
    distance = torch.where(conflict, of_fused + of_own - 2 * product, 1.0)
    share = torch.where(conflict, (of_own - product) / distance, 0.5)
    mixed, total = 2 * share * fused + 2 * (1 - share) * own, fused + own
    parts = [len(fused)] if rescale == "encoder" else list(sizes)
    scaled = []
    for h, whole in zip(mixed.split(parts), total.split(parts), strict=True):
        norm = h.norm()
        ratio = whole.norm() / torch.where(norm > 0, norm, 1.0)
        scaled.append(gamma * ratio.clamp(min=1) * h)
    return torch.cat(scaled)
