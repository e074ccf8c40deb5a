"""Blocks that are removed at random: a sample loses whole modalities, one always stays."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import torch
from torch import Tensor

from dmrnet.data.dataset import ArrayDataset, Dataset, Splits
from dmrnet.data.splits.split import generator
from dmrnet.modalities import Bernoulli


def without_some(splits: Splits, rate: float, seed: int) -> Splits:
    """Return splits whose training and validation samples lack modalities at random.

    Args:
        splits: Splits of `ArrayDataset`, not standardised yet.
        rate: Probability that a modality is missing, given that one stays.
        seed: Seed of the draw.

    Raises:
        ValueError: If the rate cannot be reached, or samples are not held in memory.
    """
    parts: dict[str, Dataset] = {}
    notes = splits.notes
    for role in ("train", "val"):
        part = splits.parts()[role]
        if not isinstance(part, ArrayDataset):
            raise ValueError(f"{splits.name}: expected samples in memory with missing, got a file")
        draw = generator(seed, "missing blocks", role)
        present = thinned(part.present, rate, draw, f"{splits.name}: expected missing")
        parts[role] = _with_present(part, present)
        lost = removed(part.present, parts[role])
        notes = (*notes, f"removed from {role} at random: {lost}")
    return replace(splits, train=parts["train"], val=parts["val"], notes=notes)


def _with_present(part: ArrayDataset, present: Tensor) -> ArrayDataset:
    """Return the samples with fewer modalities; their arrays are copied."""
    fewer = copy(part)
    fewer.present = present
    arrays = {name: array.clone() for name, array in part.arrays.items()}
    some = fewer.some(torch.arange(len(part)), arrays)
    some.warnings = part.warnings
    return some


def removed(before: Tensor, after: Dataset) -> str:
    """Return the share of each modality's samples that lost it, as text."""
    rates = 1 - after.present.double().sum(0) / before.double().sum(0)
    return ", ".join(
        f"{name} {rate:.1%}" for name, rate in zip(after.task.modalities, rates, strict=True)
    )


def thinned(
    present: Tensor, missing: float, draw: torch.Generator, what: str = "expected a rate"
) -> Tensor:
    """Remove each modality with the same probability, given that one stays: bool ``(n, V)``.

    Of a sample that has all V modalities, each is missing with this probability.

    Args:
        present: bool ``(n, V)``.
        missing: The probability, from 0 to below 1 − 1/V.
        draw: Generator of the draw.
        what: Begin of the error's message.

    Raises:
        ValueError: If the probability cannot be reached.

    >>> everything = torch.ones(20_000, 3, dtype=torch.bool)
    >>> kept = thinned(everything, 0.3, torch.Generator().manual_seed(0))
    >>> bool(kept.any(1).all()), round(1 - kept.double().mean().item(), 2)
    (True, 0.3)
    """
    number = present.shape[1]
    most = 1 - 1 / number
    if not 0 <= missing < most:
        raise ValueError(
            f"{what} from 0 to below {most:.3f}, since one of {number} "
            f"modalities always stays; got {missing}"
        )
    # Bernoulli keeps each modality at rate r and redraws empty rows, which raises the rate to
    # r / (1 - (1 - r)^V). Bisection finds the r at which that is 1 - missing.
    low, high = 0.0, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        kept = rate / (1 - (1 - rate) ** number)
        low, high = (rate, high) if kept < 1 - missing else (low, rate)
    return Bernoulli([high] * number)(present, draw)
