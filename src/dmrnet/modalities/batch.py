"""A batch of multimodal samples, and the rows that each encoder runs on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

Inputs = Mapping[str, Tensor]
"""One tensor ``(B, ...)`` for each modality, keyed by its name."""

Where = Mapping[str, Tensor | None]
"""Rows that each modality's encoder runs on: int64 row numbers, or None for every row."""


def rows_of(seen: Tensor, modalities: tuple[str, ...]) -> dict[str, Tensor | None]:
    """Return each modality's rows that are True in a bool table ``(B, V)``, or None for all.

    The table is on the CPU, so that no device has to be synchronised.

    >>> rows = rows_of(torch.tensor([[True, True], [False, True]]), ("rgb", "ir"))
    >>> rows["rgb"].tolist(), rows["ir"]
    ([0], None)
    """
    if seen.dtype != torch.bool or seen.dim() != 2 or seen.shape[1] != len(modalities):
        raise ValueError(
            f"expected a bool table (batch, {len(modalities)}) for {', '.join(modalities)}, "
            f"got {seen.dtype} {tuple(seen.shape)}"
        )
    lists: dict[str, Tensor | None] = {}
    for name, column in zip(modalities, seen.unbind(1), strict=True):
        rows = column.nonzero().squeeze(1)
        lists[name] = None if len(rows) == len(column) else rows
    return lists


@dataclass(frozen=True)
class Batch:
    """Samples, and the modalities that each of them has.

    Attributes:
        inputs: Tensors of shape ``(B, ...)``, one for each modality. Rows of absent modalities
            hold zeros and are never read.
        present: Bool tensor of shape ``(B, V)``, True where the sample has the modality.
        target: Int64 tensor of shape ``(B,)`` or, for dense tasks, ``(B, H, W)``.
        index: Int64 tensor of shape ``(B,)``: each sample's number in its data set.
        mask: Bool tensor of shape ``(B, V)``, True where the model may see the modality: a
            non-empty subset of `present`. None until a sampler or a combination sets it.
        where: Rows that each encoder runs on; None until set.
        exact: Whether `where` lists exactly the modalities that `mask` shows.
        weight: Weight of each sample's task loss, ``(B,)``, 0 or more; None for 1.
    """

    inputs: Inputs
    present: Tensor
    target: Tensor
    index: Tensor
    mask: Tensor | None = None
    where: Where | None = None
    exact: bool = False
    weight: Tensor | None = None

    def __len__(self) -> int:
        return int(self.index.shape[0])

    def masked(self, mask: Tensor, encode: Tensor, modalities: tuple[str, ...]) -> Batch:
        """Return the batch with a mask, and with the row numbers of what is encoded.

        `encode` is the mask itself, or `present` if a method reads features of masked modalities.
        """
        where = rows_of(encode, modalities)
        return replace(self, mask=mask, where=where, exact=encode is mask)

    def weigh(self, losses: Tensor, rows: Tensor | None = None) -> Tensor:
        """Return losses of samples times their weights, which are scaled to a mean of 1.

        Args:
            losses: Tensor of shape ``(b,)``.
            rows: int64 ``(b,)`` row of each loss; None for every row.
        """
        if self.weight is None:
            return losses
        weight = self.weight / self.weight.mean().clamp(min=torch.finfo(self.weight.dtype).tiny)
        return losses * (weight if rows is None else weight[rows])

    def to(self, device: torch.device | str, non_blocking: bool = True) -> Batch:
        """Return the batch on another device."""
        return self._map(lambda value: value.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """Return the batch in page-locked memory (called by a data loader with a GPU)."""
        return self._map(Tensor.pin_memory)

    def _map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        """Apply a function to every tensor."""

        def optional(value: Tensor | None) -> Tensor | None:
            return None if value is None else function(value)

        return replace(
            self,
            inputs={name: function(value) for name, value in self.inputs.items()},
            present=function(self.present),
            target=function(self.target),
            index=function(self.index),
            mask=optional(self.mask),
            weight=optional(self.weight),
            where=None
            if self.where is None
            else {name: optional(rows) for name, rows in self.where.items()},
        )
