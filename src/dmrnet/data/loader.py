"""Batches for training, in a random order with random masks; batches for evaluation, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import repeat
from typing import Literal

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from dmrnet.data.dataset import Dataset
from dmrnet.data.split import generator
from dmrnet.modalities import Batch, Warmup, rows_of

Request = tuple[Tensor, int]
"""Rows to take, and the epoch."""


class TrainLoader:
    """The training batches of one rank, with masks and what the encoders run on.

    Order and masks follow from (seed, epoch) alone, by two generators, so that a killed run
    repeats its epoch and two samplers are compared on the same order. They are drawn for the whole
    batch; rank r then takes its rows ``r::world``, so the number of ranks changes neither. The n
    rows are parted into ``ceil(n / batch_size)`` batches whose sizes differ by one at the most:
    nothing is dropped and no batch is tiny.

    With `num_workers` the rows are taken by that many processes, which live as long as the loader;
    masks are drawn here all the same.

    Args:
        dataset: The training samples.
        batch_size: Rows of a batch over all ranks together, at the most.
        seed: Of the run.
        sampler: Draws the masks, from the epoch it warms up to.
        encode: What encoders run on: the ``mask``, or everything ``present``.
        rank: Of this process.
        world: How many processes there are.
        num_workers: Processes that read for this one; 0 reads here.
        pin_memory: Copy the batches into page-locked memory, for a GPU.
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
    ) -> None:
        if batch_size < 1 or num_workers < 0:
            raise ValueError(
                f"expected a batch size of 1 or more and no negative number of workers, got "
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
        self.epoch = 0
        self._requests = _Requests()
        self._workers: DataLoader[Batch] | None = None

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration gives, counted from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches, the same on every rank."""
        return self._batches

    def rows(self, number: int) -> int:
        """Return how many rows a batch has on all ranks together."""
        least, larger = divmod(len(self.dataset), self._batches)
        return least + (number < larger)

    def __iter__(self) -> Iterator[Batch]:
        """Give the batches of the epoch."""
        epoch = self.epoch
        order = torch.randperm(len(self.dataset), generator=generator(self.seed, epoch, "order"))
        parts = order.tensor_split(self._batches)
        mine = [part[self.rank :: self.world] for part in parts]
        masks = generator(self.seed, epoch, "masks")
        sampler = self.sampler.at(epoch)
        names = self.dataset.task.modalities
        for part, batch in zip(parts, self._fetch(mine, epoch), strict=True):
            drawn = sampler(self.dataset.present[part], masks)
            mask = drawn[self.rank :: self.world]
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
                collate_fn=_as_it_is,
                persistent_workers=True,
                # Torch draws a seed for the workers; nothing of ours reads it, but drawn from the
                # global generator it would move the layers' dropout.
                generator=torch.Generator(),
            )
        self._requests.now = list(zip(parts, repeat(epoch), strict=False))
        return iter(self._workers)


class _Requests:
    """The requests of an epoch, for a `DataLoader` that outlives it."""

    def __init__(self) -> None:
        self.now: list[Request] = []

    def __iter__(self) -> Iterator[Request]:
        return iter(self.now)

    def __len__(self) -> int:
        return len(self.now)


class _Take(torch.utils.data.Dataset[Batch]):
    """A data set whose items are whole batches."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __getitem__(self, request: Request) -> Batch:
        return self.dataset.take(*request)


def _as_it_is(batch: object) -> object:
    return batch


def evaluation_batches(
    dataset: Dataset,
    batch_size: int,
    rank: int = 0,
    world: int = 1,
    rows: Tensor | None = None,
) -> Iterator[Batch]:
    """Give every row once over all ranks, in order, without padding.

    Rank r has the rows ``r::world``; ranks may differ by one row, and so by one batch, and a rank
    may have none. What is present is encoded; the mask is left to the combinations.

    Args:
        dataset: Samples to evaluate.
        batch_size: Rows of a batch on this rank, at the most.
        rank: Of this process.
        world: How many processes there are.
        rows: int64, ``(m,)``: these alone; by default every row.
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


def _check_rank(rank: int, world: int) -> None:
    if not 0 <= rank < world:
        raise ValueError(f"expected a rank from 0 to world - 1, got {rank} of {world}")
