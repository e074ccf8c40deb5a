"""Random modality dropout: masks for training.

Every sampler maps the present modalities, bool ``(B, V)``, to a mask that is a non-empty subset of
them in each row. Samplers never redraw empty rows: they draw from the conditional distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Protocol

import torch
from torch import Tensor

from dmrnet.hints import nearest


class MaskSampler(Protocol):
    """Draws one mask for each sample."""

    def __call__(self, present: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return bool ``(B, V)``: a non-empty subset of `present` in every row."""
        ...


def _check_present(present: Tensor) -> None:
    if present.dtype != torch.bool or present.dim() != 2:
        raise TypeError(
            f"expected present as bool (batch, modalities), got {present.dtype} "
            f"{tuple(present.shape)}"
        )
    some = present.any(1)
    if not bool(some.all()):
        empty = (~some).nonzero().flatten()
        raise ValueError(
            f"expected at least one modality in each row, got none in row {int(empty[0])} "
            f"({len(empty)} such rows); drop them"
        )


def _check_possible(p_first: Tensor) -> None:
    impossible = (p_first.sum(1) <= 0).nonzero().flatten()
    if len(impossible):
        raise ValueError(
            f"expected a keep rate above 0 in each row, got none in row {int(impossible[0])}; "
            "raise a rate or drop the row"
        )


def _decode(code: Tensor, present: Tensor) -> Tensor:
    """Return masks in which bit k of each code shows the (k+1)-th present modality."""
    rank = present.long().cumsum(1) - 1
    return (code.unsqueeze(1) >> rank.clamp(min=0) & 1).bool() & present


class Bernoulli:
    """Keeps each modality with its own rate, given that one is kept (Sec. 3.1 of the paper).

    The distribution is that of drawing every indicator and redrawing a row while it is empty. It
    takes a single draw: first the first kept modality, then the following ones independently.

    Args:
        rates: Probability of keeping each of the V modalities, in [0, 1].

    Raises:
        ValueError: If a rate is outside [0, 1], or a sample has only modalities of rate 0.
    """

    def __init__(self, rates: Sequence[float]) -> None:
        self.rates = torch.tensor(rates, dtype=torch.float64)
        if not bool(((self.rates >= 0) & (self.rates <= 1)).all()):
            raise ValueError(f"expected keep rates in [0, 1], got {list(rates)}")
        self._all_positive = bool((self.rates > 0).all())

    def __call__(self, present: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return bool ``(B, V)``."""
        _check_present(present)
        if present.shape[1] != len(self.rates):
            raise ValueError(
                f"expected a keep rate for each of {present.shape[1]} modalities, "
                f"got {len(self.rates)}"
            )
        keep = self.rates.to(present.device) * present
        # P(first kept = k) is keep_k times the probability that none before it is kept.
        p_first = keep.clone()
        p_first[:, 1:] *= torch.cumprod(1 - keep[:, :-1], 1)
        if not self._all_positive:
            _check_possible(p_first)
        first = torch.multinomial(p_first, 1, generator=generator)
        draw = torch.rand(keep.shape, generator=generator, dtype=keep.dtype, device=keep.device)
        column = torch.arange(keep.shape[1], device=keep.device)
        return (column == first) | ((column > first) & (draw < keep))


@cache
def _fair(modalities: int) -> Bernoulli:
    return Bernoulli([0.5] * modalities)


class Uniform:
    """Draws a non-empty combination of the present modalities, each equally likely (the default).

    Equal to `Bernoulli` with rates of one half, as in the released code.
    """

    def __call__(self, present: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return bool ``(B, V)``."""
        return _fair(present.shape[1])(present, generator)


class Stratified:
    """Balances combinations within a batch: their counts differ by at most one.

    Samples with the same m present modalities form a group. Each combination occurs
    ``n // (2^m - 1)`` times in a group of n; the rest are consecutive combinations from a random
    start, so that over batches every combination is equally likely.

    Raises:
        ValueError: If a sample has more than 30 modalities.
    """

    def __call__(self, present: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return bool ``(B, V)``."""
        _check_present(present)
        number = present.sum(1)
        if bool((number > 30).any()):
            raise ValueError(
                f"expected up to 30 modalities for stratified masks, got {int(number.max())}; "
                "use uniform"
            )
        shuffle = torch.randperm(len(present), generator=generator, device=present.device)
        _, group = torch.unique(present[shuffle], dim=0, return_inverse=True)
        order = torch.argsort(group, stable=True)
        size = torch.bincount(group)
        start = size.cumsum(0) - size
        rank = torch.empty_like(order)
        rank[order] = torch.arange(len(order), device=order.device) - start[group[order]]
        choices = 2 ** number[shuffle] - 1
        turn = torch.rand(len(size), generator=generator, device=present.device)
        offset = (turn[group] * choices).long()
        mask = torch.empty_like(present)
        mask[shuffle] = _decode((rank + offset) % choices + 1, present[shuffle])
        return mask


class Everything:
    """Shows every present modality: no dropout (warm-up, training on complete data)."""

    def __call__(self, present: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return a copy of `present`."""
        _check_present(present)
        return present.clone()


class Warmup:
    """Shows every modality for some epochs before it drops any.

    Args:
        sampler: Sampler of the epochs after the warm-up.
        epochs: Number of warm-up epochs.
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
        ValueError: If the name is unknown, or rates are missing or not read.
    """
    if name == "bernoulli":
        if rates is None:
            raise ValueError("expected a keep rate for each modality (bernoulli sampler), got none")
        return Bernoulli(rates)
    if rates is not None:
        raise ValueError(f"expected no keep rates for sampler {name!r}; only bernoulli reads them")
    known: dict[str, type[MaskSampler]] = {
        "uniform": Uniform,
        "stratified": Stratified,
        "none": Everything,
    }
    if name not in known:
        raise ValueError(f"unknown sampler {name!r}; {nearest(name, ['bernoulli', *known])}")
    return known[name]()
