"""Random modality dropout: which of its modalities each training sample may show.

Every sampler takes what is present, bool ``(B, V)``, and returns a mask that is a non-empty part
of it. Nothing is redrawn: the distributions that redrawing would give are drawn from directly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class MaskSampler(Protocol):
    """Draws one mask a sample."""

    def __call__(self, present: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return bool ``(B, V)``: a non-empty part of `present` in every row."""
        ...


def _check_present(present: Tensor) -> None:
    if present.dtype != torch.bool or present.dim() != 2:
        raise TypeError(
            f"expected present as bool (batch, modalities), got {present.dtype} "
            f"{tuple(present.shape)}"
        )
    empty = (~present.any(1)).nonzero().flatten()
    if len(empty):
        raise ValueError(
            f"row {int(empty[0])} has no modality at all ({len(empty)} such rows); drop it"
        )


def _spread(code: Tensor, present: Tensor) -> Tensor:
    """Put bit k of each code on the (k+1)-th modality that is present."""
    rank = present.long().cumsum(1) - 1
    return (code.unsqueeze(1) >> rank.clamp(min=0) & 1).bool() & present


class Bernoulli:
    """Each modality is kept with its own rate, given that at least one is (Sec. 3.1 of the paper).

    The same distribution as drawing every indicator and redrawing the row while it is empty, in
    one draw: first which kept modality comes first, then the ones behind it independently.

    Args:
        rates: Chance to keep each modality, ``(V,)``, each in [0, 1].

    Raises:
        ValueError: If a rate is outside [0, 1], or a sample has only modalities of rate 0.
    """

    def __init__(self, rates: Sequence[float]) -> None:
        self.rates = torch.tensor(rates, dtype=torch.float64)
        if not bool(((self.rates >= 0) & (self.rates <= 1)).all()):
            raise ValueError(f"expected rates of keeping in [0, 1], got {list(rates)}")

    def __call__(self, present: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return bool ``(B, V)``."""
        _check_present(present)
        if present.shape[1] != len(self.rates):
            raise ValueError(
                f"expected one rate for each of {present.shape[1]} modalities, "
                f"got {len(self.rates)}"
            )
        keep = self.rates.to(present.device) * present
        # P(first kept = k) is keep_k times the chance that none before it is kept.
        none_yet = torch.cumprod(1 - keep, 1)
        first_at = keep * torch.cat([torch.ones_like(keep[:, :1]), none_yet[:, :-1]], 1)
        possible = first_at.sum(1)
        if not bool((possible > 0).all()):
            row = int((possible <= 0).nonzero()[0])
            raise ValueError(
                f"row {row} has only modalities whose rate of keeping is 0; raise a rate or drop it"
            )
        first = torch.multinomial(first_at, 1, generator=generator)
        draw = torch.rand(keep.shape, generator=generator, dtype=keep.dtype, device=keep.device)
        column = torch.arange(keep.shape[1], device=keep.device)
        return (column == first) | ((column > first) & (draw < keep))


class Uniform:
    """One of the non-empty combinations of what is present, each equally likely (the default).

    It is `Bernoulli` at rate one half, as in the released code, for any number of modalities.
    """

    def __call__(self, present: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return bool ``(B, V)``."""
        return Bernoulli([0.5] * present.shape[1])(present, generator)


class Stratified:
    """As even as a batch allows: counts of combinations in it differ by one at the most.

    Samples that have the same modalities form a group; within a group each combination comes
    ``n // (2^m - 1)`` times, and the rest go round from a random start, so that over batches every
    combination is equally likely. Groups of more than 30 modalities are refused.
    """

    def __call__(self, present: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return bool ``(B, V)``."""
        _check_present(present)
        held = present.sum(1)
        if bool((held > 30).any()):
            raise ValueError("stratified masks are for samples of up to 30 modalities; use uniform")
        shuffle = torch.randperm(len(present), generator=generator, device=present.device)
        _, group = torch.unique(present[shuffle], dim=0, return_inverse=True)
        order = torch.argsort(group, stable=True)
        size = torch.bincount(group)
        start = size.cumsum(0) - size
        rank = torch.empty_like(order)
        rank[order] = torch.arange(len(order), device=order.device) - start[group[order]]
        choices = 2 ** held[shuffle] - 1
        turn = torch.rand(len(size), generator=generator, device=present.device)
        offset = (turn[group] * choices).long()
        mask = torch.empty_like(present)
        mask[shuffle] = _spread((rank + offset) % choices + 1, present[shuffle])
        return mask


class Everything:
    """No dropout: the mask is what is present (warm-up, and training on complete data)."""

    def __call__(self, present: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return `present`, copied."""
        _check_present(present)
        return present.clone()


class Warmup:
    """Shows everything for some epochs, then drops.

    Args:
        sampler: Draws the masks after the warm-up.
        epochs: How many epochs show everything.
    """

    def __init__(self, sampler: MaskSampler, epochs: int) -> None:
        if epochs < 0:
            raise ValueError(f"expected warm-up epochs of 0 or more, got {epochs}")
        self.sampler = sampler
        self.epochs = epochs

    def at(self, epoch: int) -> MaskSampler:
        """Return the sampler of an epoch, counted from 0."""
        return Everything() if epoch < self.epochs else self.sampler


def build_sampler(name: str, rates: Sequence[float] | None = None) -> MaskSampler:
    """Return a sampler by name: ``uniform``, ``bernoulli`` (needs rates), ``stratified``, ``none``.

    Raises:
        ValueError: If the name is unknown, or rates are given where none are read.
    """
    if name == "bernoulli":
        if rates is None:
            raise ValueError("the bernoulli sampler needs a rate of keeping for each modality")
        return Bernoulli(rates)
    if rates is not None:
        raise ValueError(f"rates are read by the bernoulli sampler only, not by {name!r}")
    if name == "uniform":
        return Uniform()
    if name == "stratified":
        return Stratified()
    if name == "none":
        return Everything()
    raise ValueError(f"unknown sampler {name!r}; known: uniform, bernoulli, stratified, none")
