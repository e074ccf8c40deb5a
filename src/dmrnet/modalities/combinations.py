"""Combinations of modalities: masks, their index of Eq. 10, their names.

The one convention: a combination is a bool row ``(V,)``, True where a modality is seen, and its
index is ``j = sum_k 2^(k-1) delta^k`` with k counted from 1 (Eq. 10), so the first modality is the
lowest bit. ``j = 0``, the empty combination, does not exist.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dmrnet.modalities.names import SEPARATOR, check_names, position

MAX_MODALITIES = 62
"""The index of Eq. 10 is an int64."""

MAX_TABLE = 20
"""Up to so many modalities a table over all combinations is kept (2^20 rows)."""


def count(modalities: int) -> int:
    """Return how many non-empty combinations V modalities have: ``2^V - 1``.

    Raises:
        ValueError: If V is not from 1 to 62.

    >>> count(3)
    7
    """
    if not 1 <= modalities <= MAX_MODALITIES:
        raise ValueError(f"expected 1 to {MAX_MODALITIES} modalities, got {modalities}")
    return (1 << modalities) - 1


def index_of(mask: Tensor) -> Tensor:
    """Return the index of Eq. 10 of each mask.

    Args:
        mask: bool, ``(..., V)``.

    Returns:
        int64, ``(...)``.

    >>> index_of(torch.tensor([[True, False, False], [True, False, True]])).tolist()
    [1, 5]
    """
    if mask.dtype != torch.bool:
        raise TypeError(f"expected a bool mask, got {mask.dtype}")
    count(mask.shape[-1])
    bits = 2 ** torch.arange(mask.shape[-1], device=mask.device)
    return (mask * bits).sum(-1)


def from_index(index: Tensor, modalities: int) -> Tensor:
    """Return the masks that have the given indices; the inverse of `index_of`.

    Args:
        index: int64, ``(...)``.
        modalities: V.

    Returns:
        bool, ``(..., V)``.

    >>> from_index(torch.tensor([1, 5]), 3).int().tolist()
    [[1, 0, 0], [1, 0, 1]]
    """
    count(modalities)
    shifts = torch.arange(modalities, device=index.device)
    return (index.unsqueeze(-1) >> shifts & 1).bool()


def all_combinations(modalities: int) -> Tensor:
    """Return every non-empty combination in the order of Eq. 10, j = 1 ... 2^V - 1.

    Returns:
        bool, ``(2^V - 1, V)``.

    Raises:
        ValueError: If V is above 20; draw some with `some_combinations` instead.

    >>> all_combinations(2).int().tolist()
    [[1, 0], [0, 1], [1, 1]]
    """
    if modalities > MAX_TABLE:
        raise ValueError(
            f"{modalities} modalities have {count(modalities)} combinations; a table of all is "
            f"kept up to {MAX_TABLE}: use some_combinations"
        )
    return from_index(torch.arange(1, count(modalities) + 1), modalities)


def some_combinations(modalities: int, most: int, generator: torch.Generator) -> Tensor:
    """Return all combinations where they are few, else a sample that is good for averages.

    The sample holds the full combination, every single modality, and others drawn without
    repetition, uniformly; a caller says that it was drawn.

    Args:
        modalities: V.
        most: How many rows at the most (at least V + 1 where a sample is drawn).
        generator: Draws the sample.

    Returns:
        bool, ``(min(most, 2^V - 1), V)``, ordered by the index of Eq. 10.
    """
    total = count(modalities)
    if total <= most:
        return all_combinations(modalities)
    if most < modalities + 1:
        raise ValueError(
            f"expected room for the full and the {modalities} single combinations, got most={most}"
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
        raise ValueError(f"a mask of {len(seen)} columns does not fit {len(modalities)} modalities")
    return SEPARATOR.join(name for name, here in zip(modalities, seen, strict=True) if here)


def parse(text: str, modalities: Sequence[str]) -> Tensor:
    """Return the mask of a combination written by name; the inverse of `name_of`.

    Args:
        text: Names joined by ``+``, in any order; ``all`` means every modality.
        modalities: The model's modalities.

    Returns:
        bool, ``(V,)``.

    Raises:
        ValueError: If a name is unknown, stands twice, or there is none.

    >>> parse("ir+rgb", ("rgb", "depth", "ir")).tolist()
    [True, False, True]
    """
    mask = torch.zeros(len(modalities), dtype=torch.bool)
    if text == "all" and "all" not in modalities:
        return ~mask
    for name in check_names(part.strip() for part in text.split(SEPARATOR)):
        mask[position(name, modalities)] = True
    return mask
