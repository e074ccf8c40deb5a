"""A batch of multimodal samples, and the rows that each encoder runs on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from dmrnet.modalities.reading import check_mask, read_input, tensor_of
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
        target: Int64 tensor of shape ``(B,)`` or, for dense tasks, ``(B, H, W)`` or
            ``(B, D, H, W)``; int64 ``(B, M)`` of 0 and 1 for M labels; float64 ``(B, D)`` for D
            numbers.
        index: Int64 tensor of shape ``(B,)``: each sample's number in its data set.
        mask: Bool tensor of shape ``(B, V)``, True where the model may see the modality: a
            non-empty subset of `present`. None until a sampler or a combination sets it.
        where: Rows that each encoder runs on; None until set.
        exact: Whether `where` lists exactly the modalities that `mask` shows.
        whole: Whether `where` lists every modality that is present.
        weight: Weight of each sample's task loss, ``(B,)``, 0 or more; None for 1.
    """

    inputs: Inputs
    present: Tensor
    target: Tensor
    index: Tensor
    mask: Tensor | None = None
    where: Where | None = None
    exact: bool = False
    whole: bool = True
    weight: Tensor | None = None

    def __len__(self) -> int:
        return int(self.index.shape[0])

    @classmethod
    def of(
        cls,
        task: Task,
        inputs: Mapping[str, Any],
        target: Tensor | Sequence[int] | Any,  # noqa: ANN401
        present: Tensor | Any | None = None,  # noqa: ANN401
        index: Tensor | None = None,
    ) -> Self:
        """Return a batch of plain tensors, as a data loader of your own yields them.

        A sample lacks a modality that `inputs` lacks or that is None there, whose row is None or
        nothing but NaN, or where `present` is False. Numpy arrays and lists are read as tensors,
        whole numbers and float64 as float32.

        Args:
            task: Modalities, whose order is that of the columns of `present`.
            inputs: Tensor, array or list ``(B, *shape)`` of each modality by name, in any order.
            target: Targets as in the attributes; numbers may be of any floating type.
            present: Bool tensor of shape ``(B, V)``; by default all that is given.
            index: Number of each sample in its data set, ``(B,)``; by default its row.

        Raises:
            TypeError: If something holds no numbers, or `target` no classes.
            ValueError: If a modality is unknown, shapes differ from those of the task, or a row is
                NaN or infinite in some places.

        >>> from dmrnet.modalities import Modality
        >>> task = Task((Modality("a", "vector", (2,)), Modality("b", "vector", (1,))), ("x", "y"))
        >>> a = torch.tensor([[1.0, 2.0], [float("nan"), float("nan")]])
        >>> batch = Batch.of(task, {"b": torch.ones(2, 1), "a": a}, torch.tensor([0, 1]))
        >>> batch.present.tolist(), batch.inputs["a"].tolist()
        ([[True, True], [False, True]], [[1.0, 2.0], [0.0, 0.0]])
        """
        target = _targets(target, task)
        rows, names = len(target), task.modalities
        present = None if present is None else tensor_of("present", present, target.device)
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
            x, has = read_input(
                modality,
                inputs.get(modality.name),
                rows,
                device=target.device,
                any_size=task.dense,
            )
            if inputs.get(modality.name) is not None:
                known = ~x.flatten(1).isnan().all(1)
                has = known if has is None else known & has
                if present is not None:
                    has &= present[:, column]
                x = torch.where(has.view(-1, *[1] * len(modality.shape)), x, x.new_zeros(()))
                if not bool(x.isfinite().all()):
                    row = int((~x.flatten(1).isfinite().all(1)).nonzero()[0, 0])
                    raise ValueError(
                        f"modality {modality.name}, row {row}: it holds NaN or infinity; mend the "
                        "value, or make the whole row NaN, which is an absent modality"
                    )
            assert has is not None
            filled[modality.name] = x
            columns.append(has)
        index = torch.arange(rows, device=target.device) if index is None else index
        table = torch.stack(columns, 1)
        return cls(filled, table, target, index, where=rows_of(table, names))

    def masked(self, mask: Tensor, encode: Tensor, modalities: tuple[str, ...]) -> Batch:
        """Return the batch with a mask, and with the row numbers of what is encoded.

        `encode` is the mask itself, or `present` if a method reads features of masked modalities.

        Raises:
            ValueError: If the mask of a sample shows nothing, or what the sample lacks.
        """
        where = rows_of(encode, modalities)
        check_mask(mask, self.present, modalities)
        whole = encode is self.present or not bool((self.present & ~encode).any())
        return replace(self, mask=mask, where=where, exact=encode is mask, whole=whole)

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


def _targets(target: Any, task: Task) -> Tensor:  # noqa: ANN401
    """Return targets of the type and shape that the task has; see `Batch`."""
    y = tensor_of("target", target)
    if y.is_complex() or (y.is_floating_point() and task.target != "regression"):
        raise TypeError(f"target: expected the numbers of classes as integers, got {y.dtype}")
    many = task.target in ("multi-label", "regression")
    if many:
        y = y[:, None] if y.dim() == 1 else y
    elif y.dim() == 2 and y.shape[1] == 1 and not task.dense:
        y = y.squeeze(1)
    size = len(task.classes)
    if y.dim() != 1 + (task.axes or many) or (many and y.shape[1] != size):
        dense = {2: "(B, H, W)", 3: "(B, D, H, W)"}
        shape = dense[task.axes] if task.dense else f"(B, {size})" if many else "(B,)"
        raise ValueError(f"target: expected shape {shape}, got {tuple(y.shape)}")
    if task.target == "regression":
        return y.double()
    most = 1 if many else size - 1
    if not task.dense and y.device.type == "cpu" and len(y) and int(y.max()) > most:
        row = int((y > most).nonzero()[0, 0])
        raise ValueError(
            f"target: expected numbers from 0 to {most}, got {int(y[row].max())} in row {row}"
        )
    return y.long()
