"""Notes on a summary: what limits its numbers."""

from __future__ import annotations

from collections.abc import Sequence

from dmrnet.report.statistics.formatting import listed, percent
from dmrnet.report.statistics.inference import fewest_seeds, smallest_sign_p, t_quantile
from dmrnet.report.summary.summary import DataSummary

_FEW_SEEDS = 5
_FEW_SELECTED_ON = 100
_COSTLIER = 1.2
"""From this ratio of costs on, a note asks for a baseline trained as long."""


def notes_on(summary: DataSummary) -> list[str]:
    """Return sentences on what limits the numbers of a summary, the most important first."""
    return [
        *_on_divergence(summary),
        *(f"Data: {note}." for note in summary.data_notes),
        *_on_combinations(summary),
        *_on_baseline(summary),
        *_on_seeds(summary),
        *_on_selection(summary),
        *_on_cost(summary),
        *_on_commits(summary),
        *_on_published(summary),
    ]


def _on_divergence(summary: DataSummary) -> list[str]:
    return [
        f"Training of {item.label} diverged ({_numbered(rise.seeds)}): the loss rose to "
        f"{max(rise.values):.0f} times that of the first epoch. The kept weights may be those of "
        "an early epoch; train again with a lower --lr or --clip."
        for item in summary.systems
        if (rise := item.run_metrics.get("loss_rise"))
    ]


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
            f"Average and worst are over the {len(summary.compared)} combinations that every run "
            f"has a value for. Left out: {shown} (missing in {listed(lacking)})."
        )
    if len(summary.combinations) < possible:
        notes.append(
            f"{len(summary.combinations)} of the {possible} possible combinations have a value."
        )
    uneven = [name for name, (least, most) in summary.counts.items() if least != most]
    if uneven:
        least, most = summary.counts[uneven[0]]
        notes.append(
            f"Runs were scored on different numbers of samples ({uneven[0]}: {least} to {most}). "
            "Their test sets differ, so differences are not due to the systems alone."
        )
    return notes


def _on_baseline(summary: DataSummary) -> list[str]:
    if summary.baseline is None:
        if sum(not item.system.source for item in summary.systems) < 2:
            return []
        return [f"No system is called {summary.requested_baseline}: no differences are shown."]
    notes = []
    base = next(item for item in summary.systems if item.label == summary.baseline)
    for item in summary.systems:
        if item is base or item.seeds == base.seeds or item.system.source:
            continue
        shared = len(set(item.seeds) & set(base.seeds))
        use = (
            f"differences are over the {'one seed' if shared == 1 else f'{shared} seeds'} that "
            "both have"
            if shared
            else "they share none, so no difference is shown"
        )
        ours, theirs = _numbered(item.seeds), _numbered(base.seeds)
        notes.append(f"{item.label} has {ours}; {base.label} has {theirs}: {use}.")
    return notes


def _numbered(seeds: Sequence[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


def _on_seeds(summary: DataSummary) -> list[str]:
    own = [item for item in summary.systems if not item.system.source]
    single = [item.label for item in own if len(item.seeds) == 1]
    fewest = min((len(item.seeds) for item in own if len(item.seeds) > 1), default=0)
    notes = []
    if single:
        have = "has" if len(single) == 1 else "have"
        who = "Every system has" if len(single) == len(own) else f"{listed(single)} {have}"
        notes.append(
            f"{who} one seed, so there is no standard error: another seed may reverse the order."
        )
    if 1 < fewest < _FEW_SEEDS:
        notes.append(
            f"{fewest} seeds are few: a 95% interval reaches {t_quantile(fewest):.1f} standard "
            "errors to either side, and assumes normally distributed differences. Without that "
            f"assumption no test of {fewest} seeds reaches a p below {smallest_sign_p(fewest):g}; "
            f"{fewest_seeds(0.05)} seeds can reach 0.05."
        )
    return notes


def _on_selection(summary: DataSummary) -> list[str]:
    least = summary.selected_on
    # An image with a class for every pixel is not one right or wrong prediction.
    if not 0 < least < _FEW_SELECTED_ON or summary.score.name == "miou":
        return []
    return [
        f"Each run's epoch was selected on {least} validation samples. One of them is "
        f"{percent(1 / least, 1)} points of a combination's accuracy, so the choice is largely "
        "chance. Use more validation samples (--data.val_share, or a larger file)."
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
        f"Trained longer than the longest {summary.baseline}: {listed(costlier)}. Part of the gain "
        f"may come from the longer training. Train {summary.baseline} longer (--max-epochs, or "
        "stretch in a study) and report it too, for a comparison at equal cost."
    ]


def _on_commits(summary: DataSummary) -> list[str]:
    commits = {run.commit for run in summary.runs if run.commit}
    return [f"The runs are from {len(commits)} different commits."] if len(commits) > 1 else []


def _on_published(summary: DataSummary) -> list[str]:
    if not summary.sources:
        return []
    sources = listed([f"[{n}] {source}" for n, source in enumerate(summary.sources, start=1)])
    return [
        f"As printed in {sources}, not run here. Splits, training and hardware may differ, so no "
        "differences to these numbers are shown."
    ]
