"""A batch of multimodal samples, and the rows that each encoder runs on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from dmrnet.modalities.task import Task

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
        target: Int64 tensor of shape ``(B,)`` or, for dense tasks, ``(B, H, W)``; int64 ``(B, M)``
            of 0 and 1 for M labels; float64 ``(B, D)`` for D numbers.
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

    @classmethod
    def of(
        cls,
        task: Task,
        inputs: Mapping[str, Tensor | None],
        target: Tensor,
        present: Tensor | None = None,
        index: Tensor | None = None,
    ) -> Self:
        """Return a batch of plain tensors, as a data loader of your own yields them.

        A sample lacks a modality that `inputs` lacks or that is None there, whose row is nothing
        but NaN, or where `present` is False.

        Args:
            task: Modalities, whose order is that of the columns of `present`.
            inputs: Tensor ``(B, *shape)`` of each modality by name, in any order.
            target: Targets as in the attributes.
            present: Bool tensor of shape ``(B, V)``; by default all that is given.
            index: Number of each sample in its data set, ``(B,)``; by default its row.

        Raises:
            ValueError: If a modality is unknown, or shapes differ from those of the task.

        >>> from dmrnet.modalities import Modality
        >>> task = Task((Modality("a", "vector", (2,)), Modality("b", "vector", (1,))), ("x", "y"))
        >>> a = torch.tensor([[1.0, 2.0], [float("nan"), float("nan")]])
        >>> batch = Batch.of(task, {"b": torch.ones(2, 1), "a": a}, torch.tensor([0, 1]))
        >>> batch.present.tolist(), batch.inputs["a"].tolist()
        ([[True, True], [False, True]], [[1.0, 2.0], [0.0, 0.0]])
        """
        rows, names = len(target), task.modalities
        if unknown := [name for name in inputs if name not in names]:
            raise ValueError(f"expected inputs of {', '.join(names)}, got {unknown[0]!r}")
        if present is not None and (
            present.dtype != torch.bool or tuple(present.shape) != (rows, len(names))
        ):
            raise ValueError(
                f"expected present as bool ({rows}, {len(names)}), a column for each of "
                f"{', '.join(names)}; got {present.dtype} {tuple(present.shape)}"
            )
        filled: dict[str, Tensor] = {}
        columns: list[Tensor] = []
        for column, modality in enumerate(task.inputs):
            x = inputs.get(modality.name)
            if x is None:
                has = torch.zeros(rows, dtype=torch.bool, device=target.device)
                x = torch.zeros((rows, *modality.shape), device=target.device)
            else:
                # Images of a dense task may be of any size, sequences of any length if they differ.
                sizes = slice(1, 2 if task.dense or modality.ragged else None)
                shape = (rows, *modality.shape)
                if x.dim() != len(shape) or x.shape[0] != rows or x.shape[sizes] != shape[sizes]:
                    raise ValueError(
                        f"modality {modality.name}: expected shape {shape}, got {tuple(x.shape)}"
                    )
                has = ~x.flatten(1).isnan().all(1)
                if present is not None:
                    has &= present[:, column]
                x = torch.where(has.view(-1, *[1] * len(modality.shape)), x, x.new_zeros(()))
            filled[modality.name] = x
            columns.append(has)
        index = torch.arange(rows, device=target.device) if index is None else index
        table = torch.stack(columns, 1)
        return cls(filled, table, target, index, where=rows_of(table, names))

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
