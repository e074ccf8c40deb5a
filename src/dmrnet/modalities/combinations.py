"""Combinations of modalities: masks, their indices (Eq. 10) and their names.

A combination is a bool row ``(V,)``, True for visible modalities. Its index is
``j = sum_k 2^(k-1) delta^k`` with k from 1 (Eq. 10), so the first modality is the lowest bit. The
empty combination, ``j = 0``, is not used.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dmrnet.modalities.names import SEPARATOR, check_names, position

MAX_MODALITIES = 62
"""Largest number of modalities whose index of Eq. 10 fits an int64."""

MAX_TABLE = 20
"""Largest number of modalities for which all combinations are listed (2^20 rows)."""


def count(modalities: int) -> int:
    """Return the number of non-empty combinations of V modalities: ``2^V - 1``.

    Raises:
        ValueError: If V is not between 1 and 62.

    >>> count(3)
    7
    """
    if not 1 <= modalities <= MAX_MODALITIES:
        raise ValueError(f"expected 1 to {MAX_MODALITIES} modalities, got {modalities}")
    return (1 << modalities) - 1


def index_of(mask: Tensor) -> Tensor:
    """Return the index (Eq. 10) of each bool mask ``(..., V)``, int64 ``(...)``.

    >>> index_of(torch.tensor([[True, False, False], [True, False, True]])).tolist()
    [1, 5]
    """
    if mask.dtype != torch.bool:
        raise TypeError(f"expected a bool mask, got {mask.dtype}")
    count(mask.shape[-1])
    bits = 2 ** torch.arange(mask.shape[-1], device=mask.device)
    return (mask * bits).sum(-1)


def from_index(index: Tensor, modalities: int) -> Tensor:
    """Return the masks of V modalities with the given indices; the inverse of `index_of`.

    >>> from_index(torch.tensor([1, 5]), 3).int().tolist()
    [[1, 0, 0], [1, 0, 1]]
    """
    count(modalities)
    shifts = torch.arange(modalities, device=index.device)
    return (index.unsqueeze(-1) >> shifts & 1).bool()


def all_combinations(modalities: int) -> Tensor:
    """Return every non-empty combination in the order of Eq. 10, bool ``(2^V - 1, V)``.

    Raises:
        ValueError: If V is above 20; use `some_combinations` instead.

    >>> all_combinations(2).int().tolist()
    [[1, 0], [0, 1], [1, 1]]
    """
    if modalities > MAX_TABLE:
        raise ValueError(
            f"expected up to {MAX_TABLE} modalities, got {modalities} with {count(modalities)} "
            "combinations; draw a sample with some_combinations"
        )
    return from_index(torch.arange(1, count(modalities) + 1), modalities)


def some_combinations(modalities: int, most: int, generator: torch.Generator) -> Tensor:
    """Return all combinations, or a random sample if there are more than `most`.

    The sample holds the full combination, every single modality, and others drawn uniformly
    without repetition. Callers should report that combinations were sampled.

    Args:
        modalities: Number of modalities, V.
        most: Maximum number of rows, at least V + 1 for a sample.
        generator: Random generator for the sample.

    Returns:
        Bool tensor of shape ``(min(most, 2^V - 1), V)``, ordered by the index of Eq. 10.

    Raises:
        ValueError: If a sample of `most` rows cannot hold the full and all single combinations.
    """
    total = count(modalities)
    if total <= most:
        return all_combinations(modalities)
    if most < modalities + 1:
        raise ValueError(
            f"expected most of at least {modalities + 1}, for the full and the {modalities} single "
            f"combinations, got most={most}"
        )
    chosen = {total, *(2**k for k in range(modalities))}
    while len(chosen) < most:
        draw = torch.randint(1, total + 1, (most,), generator=generator)
        for j in draw.tolist():
            if len(chosen) < most:
                chosen.add(j)
    return from_index(torch.tensor(sorted(chosen)), modalities)


def name_of(mask: Tensor | Sequence[bool], modalities: Sequence[str]) -> str:
    """Return the name of a combination, e.g. ``rgb+ir``.

    >>> name_of([True, False, True], ("rgb", "depth", "ir"))
    'rgb+ir'
    """
    seen = mask.tolist() if isinstance(mask, Tensor) else list(mask)
    if len(seen) != len(modalities):
        raise ValueError(
            f"expected a mask of {len(modalities)} columns, one per modality, got {len(seen)}"
        )
    return SEPARATOR.join(name for name, visible in zip(modalities, seen, strict=True) if visible)


def parse(text: str, modalities: Sequence[str]) -> Tensor:
    """Return the mask of a named combination, bool ``(V,)``; the inverse of `name_of`.

    Args:
        text: Names joined by ``+``, in any order; ``all`` for every modality.
        modalities: Names of the model's modalities.

    Raises:
        ValueError: If a name is unknown, occurs twice, or is empty.

    >>> parse("ir+rgb", ("rgb", "depth", "ir")).tolist()
    [True, False, True]
    """
    mask = torch.zeros(len(modalities), dtype=torch.bool)
    if text == "all" and "all" not in modalities:
        return ~mask
    for name in check_names(part.strip() for part in text.split(SEPARATOR)):
        mask[position(name, modalities)] = True
    return mask
