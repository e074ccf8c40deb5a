"""Rows and groups that stand in two splits: hashes of each row's modalities, compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor

NUMBERS_AT_ONCE = 1 << 20
"""Number of array elements that are hashed at a time."""

MOST_PATTERNS = 32
"""Number of combinations of modalities for which copies with fewer modalities are looked for."""

DISTINCT = 0.9
"""Least share of distinct training blocks at which equal blocks are no coincidence: where a table
of few small integers repeats itself, they are."""

_GOLDEN = -0x61C8864680B583EB
_MIX = -0x4B47D0C1C9A3D2F5


def block_hashes(array: Tensor, seed: int = 0) -> Tensor:
    """Return a 64-bit hash of each row, int64 ``(n,)``; equal rows have equal hashes.

    Numbers count as float32, and -0 as 0. The hash is a sum of the mixed bits of each number times
    a random odd number for its position, modulo 2^64.

    Args:
        array: Tensor of numbers ``(n, ...)``.
        seed: Seed of the random numbers.

    >>> h = block_hashes(torch.tensor([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0]]))
    >>> bool(h[0] == h[2]), bool(h[0] == h[1])
    (True, False)
    """
    size = array[:1].numel()
    draw = torch.Generator().manual_seed(seed)
    weights = torch.randint(-(1 << 62), 1 << 62, (size,), generator=draw) * 2 + 1
    out = torch.empty(len(array), dtype=torch.int64)
    step = max(1, NUMBERS_AT_ONCE // max(1, size))
    for start in range(0, len(array), step):
        numbers = array[start : start + step].reshape(-1, size).float() + 0.0
        bits = numbers.contiguous().view(torch.int32).long().mul_(_GOLDEN)
        bits ^= bits >> 29
        out[start : start + step] = bits.mul_(weights).sum(1)
    # Without the sum a block of zeros would have the hash of an absent one.
    return (out + _GOLDEN) * _MIX


def row_hashes(arrays: Sequence[Tensor], present: Tensor) -> Tensor:
    """Return the hash of each row's modalities, int64 ``(n, V)``; 0 where one is absent.

    Args:
        arrays: One tensor ``(n, ...)`` a modality.
        present: Bool tensor ``(n, V)``.
    """
    columns = [block_hashes(array, seed) for seed, array in enumerate(arrays)]
    return torch.stack(columns, 1).masked_fill(~present, 0)


def copies(hashes: Tensor, known: Tensor) -> Tensor:
    """Return which rows stand among known rows too, bool ``(n,)``.

    A row is a copy if a known row has the same modalities and equal blocks; or if a known row has
    more modalities, and all that the row has are equal.

    Args:
        hashes: int64 tensor ``(n, V)``, as `row_hashes` returns them.
        known: int64 tensor ``(m, V)``.
    """
    copied: Tensor = torch.isin(_one(hashes), _one(known))
    patterns, number, size = (hashes != 0).unique(dim=0, return_inverse=True, return_counts=True)
    for row in size.argsort(descending=True)[:MOST_PATTERNS].tolist():
        pattern, mine = patterns[row], number == row
        theirs = known[(known[:, pattern] != 0).all(1)][:, pattern]
        copied[mine] |= torch.isin(_one(hashes[mine][:, pattern]), _telling(_one(theirs)))
    return copied


def copies_of(hashes: Tensor, known: Tensor) -> Tensor:
    """Return which blocks of a modality stand among known ones, bool ``(n,)``; see `copies`."""
    copied: Tensor = (hashes != 0) & torch.isin(hashes, _telling(known[known != 0]))
    return copied


def _one(hashes: Tensor) -> Tensor:
    """Return one hash of several, int64 ``(n,)``."""
    weights = torch.arange(1, hashes.shape[1] + 1) * 2 + 1
    return ((hashes ^ (hashes >> 31)) * weights * _GOLDEN).sum(1)


def _telling(blocks: Tensor) -> Tensor:
    """Return the blocks that occur once; none where many repeat, so that equal ones say little."""
    values, number = blocks.unique(return_counts=True)
    once: Tensor = values[number == 1]
    return once if len(values) >= DISTINCT * len(blocks) else once[:0]


def overlap_warnings(hashes: Mapping[str, Tensor], modalities: Sequence[str]) -> list[str]:
    """Return sentences on rows that stand in two splits.

    Args:
        hashes: `row_hashes` of each split by name, in the order train, val, test.
        modalities: V names.
    """
    warnings = []
    for (other, known), (role, mine) in combinations(hashes.items(), 2):
        rows = copies(mine, known)
        if count := int(rows.sum()):
            again = len(known) - len(_one(known).unique())
            warnings.append(
                f"{role}: {_of(count, len(rows))} are in {other} too, number for number"
                + (f" ({again} of {len(known)} rows repeat within {other})" if again else "")
                + f"; scores on {role} are then not of new samples"
            )
        for column, name in enumerate(modalities if len(modalities) > 1 else ()):
            alone = copies_of(mine[:, column], known[:, column]) & ~rows
            if count := int(alone.sum()):
                warnings.append(
                    f"{role}: {name} of {_of(count, len(rows))} is that of a row in {other}"
                )
    return warnings


def group_warnings(
    groups: Mapping[str, Sequence[str]], word: str = "groups", most: int = 3
) -> list[str]:
    """Return sentences on groups that stand in two splits.

    Args:
        groups: Group of each row by split, in the order train, val, test.
        word: What they are called.
        most: Number of groups to name.
    """
    warnings = []
    for (other, known), (role, mine) in combinations(groups.items(), 2):
        shared = sorted(set(mine) & set(known))
        if shared:
            of = len(set(mine))
            rows = sum(name in set(shared) for name in mine)
            names = ", ".join(shared[:most]) + (", ..." if len(shared) > most else "")
            warnings.append(
                f"{role}: {len(shared)} of {of} {word}, {_of(rows, len(mine))}, are in "
                f"{other} too ({names}); scores on {role} say little about new ones"
            )
    return warnings


def _of(count: int, rows: int) -> str:
    return f"all {rows} rows" if count == rows else f"{count} of {rows} rows"
