"""Warnings on what is probably wrong with the splits of a data set, with their figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dmrnet.data.checks.overlap import group_warnings, overlap_warnings
from dmrnet.data.checks.presence import presence_warnings
from dmrnet.data.dataset import Dataset
from dmrnet.modalities import all_combinations
from dmrnet.targets import target_of

MOST_NAMES = 3
"""Number of classes that a sentence names."""

MOST_NOTES = 4
"""Above this number of absent modalities, one sentence covers all of them."""

UNEQUAL = 10
"""Ratio of the most to the least frequent class from which on a note says so."""

MOST_MODALITIES = 8
"""Largest number of modalities whose combinations are all counted."""


def warnings_of(train: Dataset, val: Dataset, test: Dataset | None) -> tuple[str, ...]:
    """Return sentences on rows and groups in two splits, classes without rows, and presence.

    The warnings of each split come first.

    Args:
        train: Training samples; their `groups` and `row_hashes` are compared with the others'.
        val: Validation samples.
        test: Test samples, if there are any.
    """
    parts = {"train": train, "val": val} | ({} if test is None else {"test": test})
    hashes = {name: part.row_hashes for name, part in parts.items() if part.row_hashes is not None}
    return (
        *(sentence for part in parts.values() for sentence in part.warnings),
        *overlap_warnings(hashes, train.task.modalities),
        *_shared_names(parts),
        *class_warnings(parts),
        *constant_warnings(parts),
        *pair_warnings(train.present, train.task.modalities),
        *presence_warnings(train),
    )


def later_warnings(train: Dataset, val: Dataset, later: Dataset) -> list[str]:
    """Return sentences on rows and groups of a later file that training or validation has too."""
    parts = {"train": train, "val": val, "file": later}
    hashes = {name: part.row_hashes for name, part in parts.items() if part.row_hashes is not None}
    warnings = overlap_warnings(hashes, train.task.modalities)
    names = {"train": train.groups or train.samples, "file": later.groups or later.samples}
    by_name = train.groups == train.samples or None not in (train.groups, later.groups)
    numbered = all(one.isdecimal() for some in names.values() for one in some or ())
    known = {name: some for name, some in names.items() if some is not None}
    if by_name and (train.groups is not None or not numbered):
        warnings += group_warnings(known, "sample names" if train.groups is None else "groups")
    return [sentence for sentence in warnings if sentence.startswith("file: ")]


def class_notes(train: Dataset) -> list[str]:
    """Return a sentence on classes of very unequal frequency, if they are."""
    if train.task.dense or train.target.dtype != torch.int64 or train.target.dim() != 1:
        return []
    counts = train.target.bincount(minlength=len(train.task.classes))
    least, most, rows = int(counts.min()), int(counts.max()), len(train)
    if most < UNEQUAL * least:
        return []
    rare = train.task.classes[int(counts.argmin())]
    return [
        f"train: {least} of {rows} rows are of class {rare}; the most frequent class alone is "
        f"right in {100 * most / rows:.1f} %: see balanced accuracy, and class_weights and "
        "draw (--class-weights, --draw)"
    ]


def _shared_names(parts: Mapping[str, Dataset]) -> list[str]:
    """Return sentences on groups in two splits; without groups on names, unless they are numbers.

    Rows are often numbered anew in each file.
    """
    if parts["train"].groups is not None:
        groups = {name: part.groups for name, part in parts.items() if part.groups is not None}
        return group_warnings(groups)
    names = {name: part.samples for name, part in parts.items() if part.samples is not None}
    if all(one.isdecimal() for some in names.values() for one in some):
        return []
    return group_warnings(names, "sample names")


def class_warnings(parts: Mapping[str, Dataset]) -> list[str]:
    """Return sentences on classes or labels that another split than training has no row of."""
    warnings = []
    task, kind = parts["train"].task, target_of(parts["train"].task)
    classes = task.classes
    for role, part in parts.items():
        if role == "train" or task.dense or not bool(kind.labelled(part.target).all()):
            continue
        counts = kind.rows_by_class(part.target, len(classes))
        if counts is None:
            continue
        missing = [name for name, n in zip(classes, counts.tolist(), strict=True) if not n]
        if missing:
            names = ", ".join(missing[:MOST_NAMES]) + (", ..." if missing[MOST_NAMES:] else "")
            warnings.append(
                f"{role}: no row of {len(missing)} of {len(classes)} classes ({names}); scores on "
                f"{role} say nothing about {'it' if len(missing) == 1 else 'them'}"
            )
    return warnings


def constant_warnings(parts: Mapping[str, Dataset]) -> list[str]:
    """Return sentences on numbers to predict that are the same in all samples of a split."""
    warnings = []
    for role, part in parts.items():
        if part.task.target != "regression" or bool(part.target.isnan().any()):
            continue
        low, high = part.target.amin(0), part.target.amax(0)
        for column in (low == high).nonzero().flatten().tolist():
            name = part.task.classes[column]
            others = " and averages are of the others" if len(low) > 1 else ""
            warnings.append(
                f"{role}: {name} is {float(low[column]):g} in every row, so that its R² is not "
                f"defined{others}"
            )
    return warnings


def pair_warnings(present: Tensor, names: Sequence[str]) -> list[str]:
    """Return a sentence on pairs of modalities that no training row has, if there are any.

    Args:
        present: Bool tensor ``(n, V)``.
        names: V names.
    """
    together = present.T.double() @ present.double()
    apart = [(names[int(v)], names[int(w)]) for v, w in (together == 0).nonzero() if v < w]
    if not apart:
        return []
    others = len(apart) - 1
    which = f"both {' and '.join(apart[0])}"
    if others:
        which += f", nor both of {others} other pair{'s' if others > 1 else ''}"
    return [f"train: no row has {which}; predictions from such combinations are not trained"]


def combination_notes(present: Tensor, names: Sequence[str]) -> list[str]:
    """Return a sentence on combinations that no training row has, though it has every pair.

    Only the smallest such combinations are named, and with more than `MOST_MODALITIES` only that of
    all modalities.

    Args:
        present: Bool tensor ``(n, V)``.
        names: V names.
    """
    if pair_warnings(present, names) or bool(present.all(1).any()):
        return []
    which = f"all of {', '.join(names)}" if len(names) <= MOST_MODALITIES else "every modality"
    if len(names) <= MOST_MODALITIES:
        masks = all_combinations(len(names))
        # Bool (2^V - 1,): whether a pattern of presence includes the combination.
        seen = (present.unique(dim=0)[:, None] | ~masks).all(-1).any(0)
        never = masks[~seen]
        smallest = never[never.sum(1) == never.sum(1).min()]
        which = "all of " + ", ".join(names[k] for k in smallest[0].nonzero().flatten().tolist())
        if (others := len(never) - 1) > 0:
            which += f", nor {others} other combination{'s' if others > 1 else ''}"
    return [f"train: no row has {which}; predictions from such combinations are not trained"]


def absence_notes(
    role: str, present: Tensor, names: Sequence[str], left_out: int, of: int
) -> list[str]:
    """Return sentences on rows that are left out, and on how often each modality is absent.

    Args:
        role: Name of the split.
        present: Bool tensor ``(n, V)``, of a training file without the rows that are held out.
        names: V names.
        left_out: Number of rows that have none of the modalities.
        of: Number of rows of the file, with these.
    """
    notes = []
    if left_out:
        notes.append(f"{role}: {left_out} of {of} rows have none of {', '.join(names)}: left out")
    counts = (~present).sum(0).tolist()
    some = [count for count in counts if count]
    if len(some) > MOST_NOTES:
        notes.append(
            f"{role}: {len(some)} of {len(names)} modalities are absent in some rows, in "
            f"{min(some)} to {max(some)} of {len(present)}"
        )
    else:
        notes += [
            f"{role}: {name} is absent in {'all' if count == len(present) else count} of "
            f"{len(present)} rows"
            for name, count in zip(names, counts, strict=True)
            if count
        ]
    return notes


def absences(role: str, present: Tensor, names: Sequence[str], what: str) -> list[str]:
    """Return a sentence on each modality that is absent in some samples.

    Args:
        role: Name of the split.
        present: Bool tensor ``(n, V)``.
        names: V names.
        what: Word for the samples, such as images.
    """
    return [
        f"{role}: {name} is absent in {count} of {len(present)} {what}"
        for name, count in zip(names, (~present).sum(0).tolist(), strict=True)
        if count
    ]
