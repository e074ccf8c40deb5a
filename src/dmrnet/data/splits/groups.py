"""Splits that keep the rows of a group together, such as the recordings of one patient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from dmrnet.data.files.arrays.labels import NOT_LABELS, text
from dmrnet.data.splits.split import hold_out

NO_GROUPS = "none"
"""Value of the setting `groups` that splits row by row."""


def known_groups(groups: Iterable[object]) -> tuple[str, ...]:
    """Return the name of each row's group; a row without one is a group of its own.

    >>> known_groups(["p1", "", 7, None])
    ('p1', '(row 1)', '7', '(row 3)')
    """
    names = (text(group) for group in groups)
    return tuple(f"(row {row})" if name in NOT_LABELS else name for row, name in enumerate(names))


def group_codes(groups: Sequence[str]) -> Tensor:
    """Return the number of each row's group, int64 ``(n,)``, in the order of first appearance.

    >>> group_codes(["p2", "p1", "p2"]).tolist()
    [0, 1, 0]
    """
    codes = {name: number for number, name in enumerate(dict.fromkeys(groups))}
    return torch.tensor([codes[name] for name in groups], dtype=torch.int64)


def hold_out_rows(
    target: Tensor,
    groups: Sequence[str] | None,
    share: float,
    draw: torch.Generator,
    keep: Tensor | None = None,
) -> Tensor:
    """Draw a share of the rows as `hold_out` does; as `hold_out_groups` where rows have groups."""
    if groups is None:
        return hold_out(target, share, draw, keep)
    return hold_out_groups(target, group_codes(groups), share, draw, keep)


def needed_rows(present: Tensor) -> Tensor:
    """Return one row of each incomplete modality, so that training has all modalities.

    Args:
        present: Bool tensor ``(n, V)``, True where a row has the modality.

    Returns:
        Bool tensor ``(n,)``.
    """
    needed = torch.zeros(len(present), dtype=torch.bool)
    needed[present.int().argmax(0)[~present.all(0)]] = True
    return needed


def hold_out_groups(
    target: Tensor,
    group: Tensor,
    share: float,
    draw: torch.Generator,
    keep: Tensor | None = None,
) -> Tensor:
    """Draw whole groups with about a share of the rows of each class.

    Groups are visited in random order, and one is held out if that brings the numbers of held rows
    closer to the share of every class (sum of squared relative deviations). A class that would
    have no held row gets its smallest group that may be held out. Every class keeps a row.

    Args:
        target: int64 tensor ``(n,)`` of classes.
        group: int64 tensor ``(n,)`` of group numbers from 0.
        share: Share of the rows, between 0 and 1.
        draw: Generator of the order of the groups.
        keep: Bool tensor ``(n,)``, True for rows whose groups must not be held out.

    Returns:
        Bool tensor ``(n,)``, True where a row is held out; all False where no group can be.
    """
    if not 0 < share < 1:
        raise ValueError(f"expected a share between 0 and 1 to hold out, got {share}")
    order = torch.randperm(int(group.max()) + 1, generator=draw).tolist()
    fixed = set(() if keep is None else group[keep].tolist())
    counts: dict[int, Counter[int]] = {number: Counter() for number in order}
    for number, label in zip(group.tolist(), target.tolist(), strict=True):
        counts[number][label] += 1
    left = Counter(target.tolist())
    wanted = {label: share * size for label, size in left.items()}
    free = [number for number in order if counts[number] and number not in fixed]
    held: Counter[int] = Counter()
    chosen: set[int] = set()

    def fits(number: int) -> bool:
        return all(left[label] > n for label, n in counts[number].items())

    def hold(number: int) -> None:
        chosen.add(number)
        held.update(counts[number])
        left.subtract(counts[number])

    for number in free:
        change = sum(
            n * (n + 2 * (held[label] - wanted[label])) / wanted[label] ** 2
            for label, n in counts[number].items()
        )
        if change < 0 and fits(number):
            hold(number)
    for label, want in wanted.items():
        if not held[label] and (want >= 0.5 or not chosen):
            able = [one for one in free if counts[one][label] and one not in chosen and fits(one)]
            if able:
                hold(min(able, key=lambda one: counts[one].total()))
    mask = torch.zeros(len(order), dtype=torch.bool)
    mask[list(chosen)] = True
    return mask[group]
