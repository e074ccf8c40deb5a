"""Splits of cases by patient: drawn, in folds, or by given lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dmrnet.data.brats.lists import check_apart, read_list

if TYPE_CHECKING:
    from torch import Tensor


class Rows(NamedTuple):
    """Row numbers of the cases of each split, int64, ascending."""

    train: Tensor
    val: Tensor
    test: Tensor


def folded(
    rows: Tensor, patients: Sequence[str], grades: Sequence[str], fold: int, folds: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Return the cases outside and inside of a fold; the patients of each grade are dealt in turn.

    Args:
        rows: int64 ``(n,)``, the cases to deal.
        patients: Patient of every case.
        grades: Grade of every case; empty where it is not known.
        fold: Fold, from 0.
        folds: Number of folds.
        seed: Seed of the draw.

    Raises:
        ValueError: If there is no such fold, or fewer patients than folds.
    """
    import torch

    from dmrnet.data.splits.split import generator

    if not 0 <= fold < folds:
        raise ValueError(f"brats: expected a fold from 0 to {folds - 1}, got {fold}")
    first = {patients[row]: grades[row] for row in reversed(rows.tolist())}
    people = sorted(first)
    if len(people) < folds or folds < 2:
        raise ValueError(
            f"brats: expected 2 to {len(people)} folds, one patient or more in each, got {folds}"
        )
    order = torch.randperm(len(people), generator=generator(seed, "brats", "folds")).tolist()
    dealt = sorted((people[place] for place in order), key=lambda name: first[name])
    mine = {name for place, name in enumerate(dealt) if place % folds == fold}
    inside = torch.tensor([patients[row] in mine for row in rows.tolist()])
    return rows[~inside], rows[inside]


def held_out(
    rows: Tensor,
    patients: Sequence[str],
    grades: Sequence[str],
    share: float,
    seed: int,
    setting: str,
) -> tuple[Tensor, Tensor]:
    """Return the cases that are left, and those of whole patients that are held out.

    About the same share of each grade is held out.

    Args:
        rows: int64 ``(n,)``, the cases to split.
        patients: Patient of every case.
        grades: Grade of every case.
        share: Share of the cases to hold out.
        seed: Seed of the draw.
        setting: Name of the setting that says the share; part of the seed.

    Raises:
        ValueError: If one would be empty.
    """
    from dmrnet.data.splits.groups import group_codes, hold_out_rows
    from dmrnet.data.splits.split import generator

    if not 0 < share < 1:
        raise ValueError(f"brats: expected {setting} between 0 and 1, got {share}")
    people = [patients[row] for row in rows.tolist()]
    strata = group_codes([grades[row] for row in rows.tolist()])
    draw = generator(seed, "brats", setting)
    held = hold_out_rows(strata, people, share, draw)
    if not held.any() or held.all():
        raise ValueError(
            f"brats: {setting} {share:g} leaves no case on one side of {len(rows)} cases of "
            f"{len(set(people))} patients; give lists, or prepare more cases"
        )
    return rows[~held], rows[held]


def listed(
    paths: Mapping[str, str], names: Sequence[str], rows: Tensor, left_out: Sequence[str]
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Return the cases of the lists for training, validation and testing, ascending.

    Without `train_list` or `test_list` these are the cases that no other list names; without
    `val_list` there are none for validation.

    Args:
        paths: Path of each list, of `train_list`, `val_list` and `test_list`.
        names: Name of every case.
        rows: int64 ``(n,)``, the cases that may be listed.
        left_out: Names of cases that the preparation left out, which lists may hold.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a list is wrong, two of them share a case, or training or test has none.
    """
    import torch

    known = {names[row]: row for row in rows.tolist()}
    lists = {setting: read_list(path, known, left_out) for setting, path in paths.items()}
    check_apart(lists)
    if "train_list" not in lists and "test_list" not in lists:
        raise ValueError("brats: expected train_list or test_list with val_list, got it alone")
    named = {name for some in lists.values() for name in some}
    rest = [name for name in known if name not in named]
    for setting in ("train_list", "test_list"):
        if not lists.setdefault(setting, rest):
            raise ValueError(f"brats: the lists name all {len(known)} cases; give {setting}, too")
    train, val, test = (
        torch.tensor(sorted(known[name] for name in lists.get(setting, [])), dtype=torch.int64)
        for setting in ("train_list", "val_list", "test_list")
    )
    return train, val if len(val) else None, test
