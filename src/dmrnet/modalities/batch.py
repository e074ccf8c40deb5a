"""A batch of multimodal samples, and which of its rows each encoder runs on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

Inputs = Mapping[str, Tensor]
"""One tensor ``(B, ...)`` a modality, keyed by its name."""

Where = Mapping[str, Tensor | None]
"""Which rows an encoder runs on: int64 row numbers a modality, or None for every row."""


def rows_of(seen: Tensor, modalities: tuple[str, ...]) -> dict[str, Tensor | None]:
    """Return the index lists of a bool table, made on the CPU so that nothing has to wait.

    Args:
        seen: bool, ``(B, V)``, on the CPU.
        modalities: V names, one a column.

    Returns:
        For each modality the int64 rows where it is seen, or None where that is every row.

    >>> rows = rows_of(torch.tensor([[True, True], [False, True]]), ("rgb", "ir"))
    >>> rows["rgb"].tolist(), rows["ir"]
    ([0], None)
    """
    if seen.dtype != torch.bool or seen.dim() != 2 or seen.shape[1] != len(modalities):
        raise ValueError(
            f"expected a bool table (batch, {len(modalities)}) for {', '.join(modalities)}; "
            f"got {seen.dtype} {tuple(seen.shape)}"
        )
    lists: dict[str, Tensor | None] = {}
    for name, column in zip(modalities, seen.unbind(1), strict=True):
        rows = column.nonzero().squeeze(1)
        lists[name] = None if len(rows) == len(column) else rows
    return lists


@dataclass(frozen=True)
class Batch:
    """Some samples, with what each of them has.

    Attributes:
        inputs: ``(B, ...)`` a modality. Rows of what is absent hold zeros and are never read.
        present: bool, ``(B, V)``: the sample has the modality.
        target: int64, ``(B,)`` or, for dense tasks, ``(B, H, W)``.
        index: int64, ``(B,)``: the sample's number in its data set.
        mask: bool, ``(B, V)``: what the model may see, a non-empty part of `present`; None until
            a sampler or a combination sets it.
        where: Rows that each encoder runs on; None until set.
        exact: `where` names what `mask` shows and nothing else.
    """

    inputs: Inputs
    present: Tensor
    target: Tensor
    index: Tensor
    mask: Tensor | None = None
    where: Where | None = None
    exact: bool = False

    def __len__(self) -> int:
        return int(self.index.shape[0])

    def masked(self, mask: Tensor, encode: Tensor, modalities: tuple[str, ...]) -> Batch:
        """Return the batch with a mask, and with the index lists of what is to be encoded.

        Args:
            mask: bool, ``(B, V)``.
            encode: bool, ``(B, V)``: the mask itself, or `present` where a method's terms need
                the features of what is masked.
            modalities: V names.
        """
        where = rows_of(encode, modalities)
        return replace(self, mask=mask, where=where, exact=encode is mask)

    def to(self, device: torch.device | str, non_blocking: bool = True) -> Batch:
        """Return the batch on another device."""

        def move(value: Tensor) -> Tensor:
            return value.to(device, non_blocking=non_blocking)

        return Batch(
            inputs={name: move(value) for name, value in self.inputs.items()},
            present=move(self.present),
            target=move(self.target),
            index=move(self.index),
            mask=None if self.mask is None else move(self.mask),
            where=None
            if self.where is None
            else {n: None if r is None else move(r) for n, r in self.where.items()},
            exact=self.exact,
        )

    def pin_memory(self) -> Batch:
        """Return the batch in page-locked memory (asked for by a data loader with a GPU)."""
        return Batch(
            inputs={name: value.pin_memory() for name, value in self.inputs.items()},
            present=self.present.pin_memory(),
            target=self.target.pin_memory(),
            index=self.index.pin_memory(),
            mask=None if self.mask is None else self.mask.pin_memory(),
            where=None
            if self.where is None
            else {n: None if r is None else r.pin_memory() for n, r in self.where.items()},
            exact=self.exact,
        )
