"""Batches for training, in random order with random masks; batches for evaluation, in order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from dmrnet.data.balance import balanced_rows
from dmrnet.data.dataset import Dataset
from dmrnet.data.splits.split import generator
from dmrnet.modalities import Batch, Warmup, rows_of

Request = tuple[Tensor, int]
"""Row numbers, and the epoch."""


MOST_POOLED = 32
"""Largest number of batches whose rows are sorted by length together."""


class TrainLoader:
    """The training batches of one rank, with their masks.

    Order and masks are seeded by (seed, epoch), by two generators, so that a killed run repeats its
    epoch and two samplers are compared on the same order. They are drawn for the whole batch, of
    which rank r gets the rows ``r::world``, so they do not depend on the number of ranks. The n
    rows are split into ``ceil(n / batch_size)`` batches whose sizes differ by at most one: no row
    is dropped and no batch is tiny. Ragged sequences of similar length share a batch.

    Args:
        dataset: Training samples.
        batch_size: Largest number of rows of a batch on all ranks together.
        seed: Seed of the run.
        sampler: Sampler of the masks.
        encode: Rows that encoders run on: those of the ``mask``, or all that are ``present``.
        rank: Rank of this process.
        world: Number of processes.
        num_workers: Number of worker processes that read rows, kept over epochs; 0 reads in this
            process. Masks are drawn in this process in any case.
        pin_memory: Whether batches are copied into page-locked memory, for a GPU.
        class_weights: Weight of each class in the loss, float32 ``(M,)``; None for 1.
        balanced: Whether the rows of an epoch are drawn with replacement, each class as likely as
            another, rather than each row once.

    Raises:
        ValueError: If an argument is out of range, or a rank would get no row of a batch.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        seed: int,
        sampler: Warmup,
        encode: Literal["mask", "present"],
        rank: int = 0,
        world: int = 1,
        num_workers: int = 0,
        pin_memory: bool = False,
        class_weights: Tensor | None = None,
        balanced: bool = False,
    ) -> None:
        if batch_size < 1 or num_workers < 0:
            raise ValueError(
                "expected a batch size of 1 or more and a number of workers of 0 or more, got "
                f"{batch_size} and {num_workers}"
            )
        if encode not in ("mask", "present"):
            raise ValueError(f"expected encode as 'mask' or 'present', got {encode!r}")
        _check_rank(rank, world)
        self._batches = -(-len(dataset) // batch_size)
        if len(dataset) // self._batches < world:
            raise ValueError(
                f"{len(dataset)} rows in {self._batches} batches leave some of {world} processes "
                "without any: raise the batch size or use fewer processes"
            )
        self.dataset, self.seed, self.sampler, self.encode = dataset, seed, sampler, encode
        self.rank, self.world = rank, world
        self.num_workers, self.pin_memory = num_workers, pin_memory
        self.class_weights, self.balanced = class_weights, balanced
        self.epoch = 0
        # The list outlives an epoch, as the workers do; each epoch fills it anew.
        self._requests: list[Request] = []
        self._workers: DataLoader[Batch] | None = None

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration, counted from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches, the same on every rank."""
        return self._batches

    def rows(self, number: int) -> int:
        """Return the number of rows of a batch on all ranks together."""
        size, rest = divmod(len(self.dataset), self._batches)
        return size + (number < rest)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of the epoch."""
        epoch = self.epoch
        draw = generator(self.seed, epoch, "order")
        if self.balanced:
            order = balanced_rows(self.dataset.target, draw)
        else:
            order = torch.randperm(len(self.dataset), generator=draw)
        parts = order.tensor_split(self._batches)
        if self.dataset.steps is not None:
            parts = by_length(parts, self.dataset.steps, draw)
        mine = [part[self.rank :: self.world] for part in parts]
        masks = generator(self.seed, epoch, "masks")
        sampler = self.sampler.at(epoch)
        names = self.dataset.task.modalities
        for part, batch in zip(parts, self._fetch(mine, epoch), strict=True):
            mask = sampler(self.dataset.present[part], masks)[self.rank :: self.world]
            if self.class_weights is not None:
                weight = self.class_weights[batch.target]
                known = batch.weight
                batch = replace(batch, weight=weight if known is None else weight * known)
            batch = batch.masked(mask, mask if self.encode == "mask" else batch.present, names)
            yield batch.pin_memory() if self.pin_memory else batch

    def _fetch(self, parts: list[Tensor], epoch: int) -> Iterator[Batch]:
        if not self.num_workers:
            return (self.dataset.take(rows, epoch) for rows in parts)
        if self._workers is None:
            self._workers = DataLoader(
                _Take(self.dataset),
                batch_size=None,
                sampler=self._requests,
                num_workers=self.num_workers,
                persistent_workers=True,
                # Torch draws a seed for the workers. It is not used, but drawing it from the global
                # generator would change the layers' dropout.
                generator=torch.Generator(),
            )
        self._requests[:] = [(rows, epoch) for rows in parts]
        return iter(self._workers)


class _Take(torch.utils.data.Dataset[Batch]):
    """A data set whose items are whole batches."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __getitem__(self, request: Request) -> Batch:
        return self.dataset.take(*request)


def evaluation_batches(
    dataset: Dataset,
    batch_size: int,
    rank: int = 0,
    world: int = 1,
    rows: Tensor | None = None,
) -> Iterator[Batch]:
    """Yield every row once over all ranks, in order, without padding.

    Rank r gets the rows ``r::world``; ranks may differ by one row, and so by one batch, and a rank
    may get none. Encoders run on all present rows; masks are left to the combinations.

    Args:
        dataset: Samples to evaluate.
        batch_size: Largest number of rows of a batch on this rank.
        rank: Rank of this process.
        world: Number of processes.
        rows: int64 tensor ``(m,)`` of the rows to evaluate; None for every row.
    """
    if batch_size < 1:
        raise ValueError(f"expected a batch size of 1 or more, got {batch_size}")
    _check_rank(rank, world)
    names = dataset.task.modalities
    rows = torch.arange(len(dataset)) if rows is None else rows
    for part in torch.split(rows[rank::world], batch_size):
        if len(part):
            batch = dataset.take(part)
            yield replace(batch, where=rows_of(batch.present, names))


def by_length(parts: Sequence[Tensor], steps: Tensor, draw: torch.Generator) -> tuple[Tensor, ...]:
    """Put samples of similar length into one batch; the batches stay in random order.

    Rows are sorted by length among as many batches at a time as the square root of their number, so
    that every epoch has other batches, in small data sets too.

    Args:
        parts: Row numbers of each batch, in random order.
        steps: Number of steps of each row, int64 ``(n,)``.
        draw: Generator of the order of the batches.

    Returns:
        Row numbers of each batch, as many in each as before.
    """
    batches = list(parts)
    pooled = min(math.isqrt(len(parts) - 1) + 1, MOST_POOLED)
    for start in range(0, len(parts), pooled):
        pool = torch.cat(batches[start : start + pooled])
        pool = pool[steps[pool].argsort(stable=True)]
        for number in torch.randperm(len(batches[start : start + pooled]), generator=draw).tolist():
            size = len(batches[start + number])
            batches[start + number], pool = pool[:size], pool[size:]
    return tuple(batches)


def _check_rank(rank: int, world: int) -> None:
    if not 0 <= rank < world:
        raise ValueError(f"expected a rank from 0 to world - 1, got {rank} of {world}")
