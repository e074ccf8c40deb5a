"""The counts of every system of a data set, added over its seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dmrnet.report.mistakes.outcomes import Counts, Kind, NumberOutcomes, Outcomes, read_outcomes
from dmrnet.report.summary.summary import DataSummary
from dmrnet.text import shell


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Mistakes of the systems of a data set.

    Attributes:
        kind: What was counted; see `Outcomes`.
        classes: Names of the M classes or labels; their numbers where names are unknown.
        counts: Counts by system and combination, over seeds.
        seeds: Number of seeds behind the counts of each system.
        first: The system shown first: the best that keeps predictions.
        worst: Worst combination of each system, where it is known.
        full: Combination of all modalities.
        left_out: Why systems are not here; empty if all are.
        noun: What is counted: samples, pixels or voxels.
    """

    kind: Kind
    classes: tuple[str, ...]
    counts: Mapping[str, Mapping[str, Counts]]
    seeds: Mapping[str, int]
    first: str
    worst: Mapping[str, str]
    full: str
    left_out: str
    noun: str = "samples"

    def shown(self, label: str) -> list[str]:
        """Return the combinations that are shown of a system without a choice: all, and worst."""
        names = (self.full, self.worst.get(label, ""))
        return [name for name in dict.fromkeys(names) if name in self.counts[label]]


@dataclass(frozen=True, slots=True)
class NumbersOf:
    """Predicted numbers of the systems that figures show, of the lowest seed each.

    Attributes:
        targets: Names of the M targets.
        runs: Predicted numbers by system, the best first.
        worst: Worst combination of each system, where it is known.
        full: Combination of all modalities.
    """

    targets: tuple[str, ...]
    runs: Mapping[str, NumberOutcomes]
    worst: Mapping[str, str]
    full: str


def gather(summary: DataSummary) -> Mistakes | NumbersOf | str:
    """Return what the runs of a summary predicted, or why that is not known.

    Raises:
        RowError: If a file of predictions is damaged.
    """
    if summary.split != "test":
        return "predictions are kept of test samples only; this page is of validation samples."
    outcomes: dict[str, dict[int, Outcomes | NumberOutcomes]] = {}
    for line in summary.runs:
        known = line.seed in outcomes.get(line.label, {}) or not line.repeatable
        if not known and (one := read_outcomes(line.path, summary.modalities)) is not None:
            outcomes.setdefault(line.label, {})[line.seed] = one
    ranked = [label for label in summary.ranked if label in outcomes]
    if not ranked:
        return _why_none(summary)
    worst = {item.label: item.worst for item in summary.systems if item.worst}
    if any(isinstance(one, NumberOutcomes) for of in outcomes.values() for one in of.values()):
        runs = {label: outcomes[label][min(outcomes[label])] for label in ranked}
        numbers = {label: one for label, one in runs.items() if isinstance(one, NumberOutcomes)}
        return NumbersOf(summary.classes, numbers, worst, summary.full)
    return _added(summary, {label: outcomes[label] for label in ranked}, worst)


def _added(
    summary: DataSummary,
    outcomes: Mapping[str, Mapping[int, Outcomes | NumberOutcomes]],
    worst: Mapping[str, str],
) -> Mistakes:
    every = [one for of in outcomes.values() for one in of.values() if isinstance(one, Outcomes)]
    kind = every[0].kind
    size = max(len(values) for one in every for values in one.counts.values())
    counts: dict[str, dict[str, Counts]] = {}
    seeds: dict[str, int] = {}
    for label, by_seed in outcomes.items():
        same = [o for o in by_seed.values() if isinstance(o, Outcomes) and o.kind == kind]
        if kind != "classes":
            same = [one for one in same if all(len(of) == size for of in one.counts.values())]
        for one in same:
            of = counts.setdefault(label, {})
            for name, values in one.counts.items():
                of[name] = of.get(name, 0) + _padded(values, size)
        seeds[label] = len(same)
    classes = summary.classes if len(summary.classes) == size else tuple(map(str, range(size)))
    missing = [item.label for item in summary.own if item.label not in counts]
    folders = [line.path for line in summary.runs if line.label in missing]
    noun = "samples"
    if kind == "pixels":
        noun = "voxels" if "volume" in summary.kinds else "pixels"
    left_out = ""
    if missing:
        left_out = f"No predictions are kept of {', '.join(missing)}; {_command(folders)}"
    return Mistakes(
        kind=kind,
        classes=classes,
        counts=counts,
        seeds=seeds,
        first=next(iter(counts)),
        worst=worst,
        full=summary.full,
        left_out=left_out,
        noun=noun,
    )


def _padded(values: Counts, size: int) -> Counts:
    """Return counts with rows and columns of classes that are neither true nor predicted."""
    if len(values) == size:
        return values
    whole = np.zeros((size, *(size if n == len(values) else n for n in values.shape[1:])), int)
    whole[tuple(slice(n) for n in values.shape)] = values
    return whole


def _why_none(summary: DataSummary) -> str:
    folders = [line.path for line in summary.runs if line.repeatable]
    if not folders:
        return "what was predicted is kept in run folders; this page was made from rows alone."
    return f"these runs keep no predictions; {_command(folders)}"


def _command(folders: Sequence[Path]) -> str:
    more = " …" if len(folders) > 1 else ""
    return f"`dmrnet evaluate {shell(folders[0])}{more}` writes them."
