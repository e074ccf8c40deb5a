"""Notes on a summary: what may make its numbers mislead, and facts about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dmrnet.report.records.metrics import LEAST_SAMPLES, advice_on_constant
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.statistics.formatting import listed, percent
from dmrnet.report.statistics.inference import fewest_seeds, smallest_sign_p, t_quantile
from dmrnet.report.summary.summary import DataSummary

_FEW_SEEDS = 5
_FEW_SELECTED_ON = 100
_COSTLIER = 1.2
"""Smallest ratio of costs at which a note asks for a baseline trained as long."""


def warnings_on(summary: DataSummary) -> list[str]:
    """Return sentences on what may make the numbers mislead, the most important first."""
    return [
        *([summary.undefined] if summary.undefined else []),
        *(
            f"Training of {item.label} diverged ({_numbered(rise.seeds)}): the loss rose to "
            f"{max(rise.values):.0f} times that of the first epoch. The kept weights may be those "
            "of an early epoch; train again with a lower lr or clip (--lr, --clip)."
            for item in summary.systems
            if (rise := item.run_metrics.get("loss_rise"))
        ),
        *(f"{warning}." for warning in summary.data_warnings),
        *_on_constants(summary),
        *_on_uneven(summary),
        *_on_one_seed(summary),
        *_on_longer(summary),
    ]


def facts_on(summary: DataSummary) -> list[str]:
    """Return sentences on the data, the seeds and the origin of the numbers."""
    return [
        *(f"Data: {note}." for note in summary.data_notes),
        *_on_combinations(summary),
        *_on_baseline(summary),
        *_on_seeds(summary),
        *_on_selection(summary),
        *_on_origin(summary),
    ]


def _on_constants(summary: DataSummary) -> Iterator[str]:
    """Yield sentences on systems that predict one class, and on samples that are of one class."""
    shares = summary.constants.values() if summary.score.name == "accuracy" else ()
    if shares and min(shares) == 1:
        yield (
            "All samples are of one class, so no score says whether another would be recognised. "
            "Score samples of every class."
        )
    for one in summary.of_classes:
        if one.constant:
            first, more = one.constant[:3], len(one.constant) - 3
            names = listed([*first, *([f"{more} more combinations"] if more > 0 else [])])
            every = len(one.constant) == len(summary.compared)
            yield (
                f"{one.label} predicts one class for every sample with "
                f"{'every combination' if every else names}: such a score is that of a constant, "
                f"whatever its value; {advice_on_constant(max(shares, default=0.0))}."
            )


def _on_uneven(summary: DataSummary) -> Iterator[str]:
    """Yield sentences on combinations, or samples, that not every run was scored on."""
    valued = {*summary.compared, *summary.few}
    missing = [name for name in summary.combinations if name not in valued]
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
        yield (
            f"Average and worst are over the {len(summary.compared)} combinations that every run "
            f"has a value for. Left out: {shown} (missing in {listed(lacking)})."
        )
    uneven = [name for name, (least, most) in summary.counts.items() if least != most]
    if uneven:
        least, most = summary.counts[uneven[0]]
        text = f"Runs were scored on different numbers of samples ({uneven[0]}: {least} to {most})."
        if len(summary.systems) > 1:
            text += " Their test sets differ, so differences are not due to the systems alone."
        yield text


def _on_combinations(summary: DataSummary) -> Iterator[str]:
    possible = 2 ** len(summary.modalities) - 1
    if summary.few:
        fewest = min(summary.few, key=lambda name: summary.counts[name])
        n = summary.counts[fewest][0]
        yield (
            f"Average and worst leave out {len(summary.few)} combinations scored on fewer than "
            f"{LEAST_SAMPLES} samples: one sample is {percent(1 / n, 1)} points of {fewest}, which "
            f"has {n}."
        )
    elif summary.fewest and summary.fewest < LEAST_SAMPLES:
        yield (
            f"Combinations were scored on as few as {summary.fewest} samples: one of them is "
            f"{percent(1 / summary.fewest, 1)} points of a score."
        )
    if (count := len(summary.combinations)) < possible:
        yield f"{count} of the {possible} possible combinations have a value."


def _on_baseline(summary: DataSummary) -> Iterator[str]:
    own = summary.own
    base = next((item for item in own if item.label == summary.baseline), None)
    if base is None:
        if len(own) > 1:
            yield f"No system is called {summary.requested_baseline}: no differences are shown."
        return
    for item in own:
        if item.seeds != base.seeds:
            shared = len(set(item.seeds) & set(base.seeds))
            use = "they share none, so no difference is shown"
            if shared:
                seeds = "one seed" if shared == 1 else f"{shared} seeds"
                use = f"differences are over the {seeds} that both have"
            ours, theirs = _numbered(item.seeds), _numbered(base.seeds)
            yield f"{item.label} has {ours}; {base.label} has {theirs}: {use}."


def _numbered(seeds: Sequence[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


def _on_one_seed(summary: DataSummary) -> Iterator[str]:
    own = summary.own
    single = [item.label for item in own if len(item.seeds) == 1]
    if not single:
        return
    have = "has" if len(single) == 1 else "have"
    who = "Every system has" if len(single) == len(own) else f"{listed(single)} {have}"
    other = "another seed may reverse the order"
    if len(own) == 1:
        who, other = "There is", "another seed may give other numbers"
    yield f"{who} one seed, so there is no standard error: {other}."


def _on_seeds(summary: DataSummary) -> Iterator[str]:
    own = summary.own
    fewest = min((len(item.seeds) for item in own if len(item.seeds) > 1), default=0)
    if not 1 < fewest < _FEW_SEEDS:
        return
    text = (
        f"{fewest} seeds are few: a 95% interval reaches {t_quantile(fewest):.1f} standard errors "
        "to either side"
    )
    if len(own) > 1:
        text += (
            ", and assumes normally distributed differences. Without that assumption no test of "
            f"{fewest} seeds reaches a p below {smallest_sign_p(fewest):g}; {fewest_seeds(0.05)} "
            "seeds can reach 0.05"
        )
    yield f"{text}."


def _on_selection(summary: DataSummary) -> Iterator[str]:
    least = summary.selected_on
    # Only of a rate is one sample a share; a pixel is no sample, and AP is no share of them.
    counted = summary.score.rate and summary.score.name not in ("miou", "dice", "r2", "map")
    if 0 < least < _FEW_SELECTED_ON and counted:
        yield (
            f"Each run's epoch was selected on {least} validation samples. One of them is "
            f"{percent(1 / least, 1)} points of a combination's accuracy, so the choice is largely "
            "chance. Use more validation samples: a larger val_share (--data.val-share), or more "
            "data."
        )


def _on_longer(summary: DataSummary) -> Iterator[str]:
    costlier = [
        f"{item.label} ({1 / item.equal.ratio:.1f} times as long)"
        for item in summary.systems
        if item.equal
        and not item.equal.reached
        and item.equal.ratio * _COSTLIER < 1
        and _gains(summary, item.differences.get("average"))
    ]
    if costlier:
        yield (
            f"Trained longer than the longest {summary.baseline}: {listed(costlier)}. Part of the "
            f"gain may come from the longer training. Train {summary.baseline} longer "
            "(max_epochs, --max-epochs, or stretch in a study) and report it too, for a comparison "
            "at equal cost."
        )


def _gains(summary: DataSummary, difference: Estimate | None) -> bool:
    """Whether a difference is for the better."""
    sign = -1 if summary.score.lower_is_better else 1
    return difference is not None and sign * difference.mean > 0


def _on_origin(summary: DataSummary) -> Iterator[str]:
    commits = {run.commit for run in summary.runs if run.commit}
    if len(commits) > 1:
        yield f"The runs are from {len(commits)} different commits."
    if summary.sources:
        sources = listed([f"[{n}] {source}" for n, source in enumerate(summary.sources, start=1)])
        yield (
            f"As printed in {sources}, not run here. Splits, training and hardware may differ, so "
            "no differences to these numbers are shown."
        )
