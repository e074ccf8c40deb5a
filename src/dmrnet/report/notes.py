"""What a reader must know before believing the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from dmrnet.report.formatting import listed
from dmrnet.report.summary import DataSummary

_FEW_SEEDS = 5

# Two-sided 95 % quantile of Student's t with n - 1 degrees of freedom.
_TIMES_SE = {2: 12.7, 3: 4.3, 4: 3.2}


def notes_on(summary: DataSummary) -> list[str]:
    """Say what limits the numbers of a summary, the weightiest first."""
    return [
        *_on_divergence(summary),
        *_on_combinations(summary),
        *_on_baseline(summary),
        *_on_seeds(summary),
        *_on_sources(summary),
        *_on_published(summary),
    ]


def _on_divergence(summary: DataSummary) -> list[str]:
    notes = []
    for item in summary.systems:
        rise = item.book.get("loss_rise")
        if rise is not None:
            notes.append(
                f"Training diverged in {item.label}, {_numbered(rise.seeds)}: the loss rose to "
                f"{max(rise.values):.0f} times that of the first epoch. The weights kept may "
                "be of an early epoch; train again with a lower --lr or --clip."
            )
    return notes


def _on_combinations(summary: DataSummary) -> list[str]:
    possible = 2 ** len(summary.modalities) - 1
    missing = [name for name in summary.combinations if name not in summary.compared]
    notes = []
    if missing:
        shown = listed([*missing[:5], *([f"{len(missing) - 5} more"] if missing[5:] else [])])
        lacking = [
            item.label
            for item in summary.systems
            if any(
                set(item.seeds) - set(item.scores[name].seeds if name in item.scores else ())
                for name in missing
            )
        ]
        notes.append(
            f"Averages and the worst are over the {len(summary.compared)} combinations that every "
            f"run has a value for. Left out: {shown}, missing in {listed(lacking)}."
        )
    if len(summary.combinations) < possible:
        notes.append(
            f"{len(summary.combinations)} of the {possible} possible combinations have a value."
        )
    uneven = [name for name, (least, most) in summary.counts.items() if least != most]
    if uneven:
        least, most = summary.counts[uneven[0]]
        notes.append(
            f"Runs were scored on different numbers of samples ({uneven[0]}: {least} to {most}): "
            "their test sets differ, and so the differences are not those of the systems alone."
        )
    return notes


def _on_baseline(summary: DataSummary) -> list[str]:
    if summary.baseline is None:
        if len(summary.systems) < 2:
            return []
        return [
            f"No system is called {summary.asked_baseline}, so there is no baseline to take "
            "differences to."
        ]
    notes = []
    base = next(item for item in summary.systems if item.label == summary.baseline)
    for item in summary.systems:
        shared = sorted(set(item.seeds) & set(base.seeds))
        if item is base or item.seeds == base.seeds or item.system.source:
            continue
        told = (
            f"differences use the {_seeds(shared)} that both have"
            if shared
            else "they share none, so no difference is given"
        )
        ours, theirs = (_numbered(each.seeds) for each in (item, base))
        notes.append(f"{item.label} has {ours}; {base.label} has {theirs}: {told}.")
    return notes


def _seeds(seeds: Sequence[int]) -> str:
    return "one seed" if len(seeds) == 1 else f"{len(seeds)} seeds"


def _numbered(seeds: Sequence[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


def _on_seeds(summary: DataSummary) -> list[str]:
    own = [item for item in summary.systems if not item.system.source]
    single = [item.label for item in own if len(item.seeds) == 1]
    fewest = min((len(item.seeds) for item in own if len(item.seeds) > 1), default=0)
    notes = []
    if single:
        who = "Every system has" if len(single) == len(own) else f"{listed(single)}:"
        notes.append(
            f"{who} one seed, so no ± can be given: another seed may well turn the order round."
        )
    if 1 < fewest < _FEW_SEEDS:
        notes.append(
            f"With {fewest} seeds, a difference is unlikely to be chance (95%) only where it is "
            f"more than {_TIMES_SE[fewest]:g} times its ±; {_FEW_SEEDS} seeds or more say much "
            "more."
        )
    return notes


def _on_sources(summary: DataSummary) -> list[str]:
    commits = {run.commit for run in summary.runs if run.commit}
    notes = []
    if len(commits) > 1:
        notes.append(f"The runs were made by {len(commits)} different commits of the code.")
    return notes


def _on_published(summary: DataSummary) -> list[str]:
    if not summary.sources:
        return []
    told = listed([f"[{place}] {source}" for place, source in enumerate(summary.sources, start=1)])
    return [
        f"As printed elsewhere, not run here: {told}. Other splits, training and hardware may lie "
        "behind these numbers, so no difference to them is given."
    ]
