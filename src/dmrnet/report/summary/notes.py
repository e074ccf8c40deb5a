"""What a reader must know before believing the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from dmrnet.report.statistics.formatting import listed, percent
from dmrnet.report.statistics.inference import fewest_seeds, smallest_sign_p, t_quantile
from dmrnet.report.summary.summary import DataSummary

_FEW_SEEDS = 5
_FEW_CHOSEN_ON = 100
_COSTLIER = 1.2
"""A method that costs this many times the baseline is asked for a baseline trained as long."""


def notes_on(summary: DataSummary) -> list[str]:
    """Say what limits the numbers of a summary, the weightiest first."""
    return [
        *_on_divergence(summary),
        *(f"The data: {note}." for note in summary.data_notes),
        *_on_combinations(summary),
        *_on_baseline(summary),
        *_on_seeds(summary),
        *_on_choice(summary),
        *_on_cost(summary),
        *_on_sources(summary),
        *_on_published(summary),
    ]


def _on_divergence(summary: DataSummary) -> list[str]:
    notes = []
    for item in summary.systems:
        rise = item.run_metrics.get("loss_rise")
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
        if sum(not item.system.source for item in summary.systems) < 2:
            return []
        return [
            f"No system is called {summary.requested_baseline}, so there is no baseline to take "
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
            f"{fewest} seeds are too few to say much: an interval reaches "
            f"{t_quantile(fewest):.1f} times the standard error to either side, and that takes "
            "the differences to be distributed normally. Without it no test of so few can reach a "
            f"p below {smallest_sign_p(fewest):g}; {fewest_seeds(0.05)} seeds can reach 0.05."
        )
    return notes


def _on_choice(summary: DataSummary) -> list[str]:
    least = summary.chosen_on
    # An image whose every pixel counts is no single right or wrong.
    if not 0 < least < _FEW_CHOSEN_ON or summary.score.name == "miou":
        return []
    return [
        f"Each run's epoch was chosen on {least} validation samples: one of them is "
        f"{percent(1 / least, 1)} points of a combination's accuracy, so which epoch was kept is "
        "much a matter of luck. Hold out more (--data.val_share, or a larger file)."
    ]


def _on_cost(summary: DataSummary) -> list[str]:
    costlier = [
        f"{item.label} ({1 / item.equal.ratio:.1f} times as long)"
        for item in summary.systems
        if item.equal and not item.equal.reached and item.equal.ratio * _COSTLIER < 1
    ]
    if not costlier:
        return []
    return [
        f"Trained longer than the longest {summary.baseline} that was run: {listed(costlier)}. "
        f"Part of what they gain may be the longer training. Train {summary.baseline} longer "
        "(--max-epochs, or stretch in a study) and report it too; it is found and set beside them."
    ]


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
