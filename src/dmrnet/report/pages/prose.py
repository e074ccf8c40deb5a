"""Sentences of the page: its opening, the result, what was run, and how to read the main table."""

from __future__ import annotations

from dmrnet.report.pages.tables.classes import constant_text
from dmrnet.report.records.combinations import members
from dmrnet.report.records.metrics import CONSTANT_NAMES
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.statistics.estimates import average
from dmrnet.report.summary.summary import DataSummary
from dmrnet.report.summary.system_summary import SystemSummary

COMPLETE_ONLY = "full"
"""The method that is trained on all modalities only."""

PREFERRED = "experts"
"""The method to compare with, which is trained where none is named; without it, the baseline."""

NO_BETTER = 0.005
"""An average that is better than a constant's by less than this counts as no better: a fraction,
or a share of the constant's error where the score is no rate."""


def opening(summary: DataSummary) -> str:
    """Return what missing modalities do to a model trained on all of them, and to another.

    Returns:
        One sentence with the scores where all modalities are seen, where one fails (the mean over
        which), and in the worst combination; empty without such a model or another to compare with.
    """
    systems = [item for item in summary.systems if item.seeds]
    baseline = next((item for item in systems if item.label == summary.baseline), None)
    plain = next((item for item in systems if item.system.method == COMPLETE_ONLY), None)
    if plain is None or baseline is None or plain is baseline or len(summary.modalities) < 2:
        return ""
    other = next((item for item in systems if item.system.method == PREFERRED), baseline)
    situations = {
        f"with all {len(summary.modalities)} modalities": "full",
        "when one fails": "one fails",
        "in the worst combination": "worst",
    }
    texts, sign = [], summary.score.sign
    for words, which in situations.items():
        ours, theirs = (_opening_score(summary, item, which) for item in (plain, other))
        if ours is None or theirs is None:
            return ""
        texts.append(f"{words} {ours}{sign} and {theirs}{sign}")
    return (
        f"{plain.label}, trained on complete samples only, and {other.label}, which saw "
        f"modalities missing in training: {'; '.join(texts)}."
    )


def _opening_score(summary: DataSummary, item: SystemSummary, which: str) -> str | None:
    """Return a score in percent; None if it is not known."""
    if which != "one fails":
        value = item.headlines.get(which)
        return None if value is None else fmt.percent(value.mean)
    names = [c for c in summary.compared if len(members(c)) == len(summary.modalities) - 1]
    mean = average([item.scores[name] for name in names if name in item.scores])
    return None if mean is None else fmt.percent(mean.mean)


def lead(summary: DataSummary) -> str:
    """Return the result in a sentence or two."""
    averaged = [item for item in summary.systems if "average" in item.headlines]
    # Published systems lead only if nothing was run.
    ranked = [item for item in averaged if not item.system.source] or averaged
    if not ranked:
        return "No combination has a value in every run, so there is nothing to average."
    best = min(ranked, key=lambda item: summary.score.error(item.headlines["average"].mean))
    value = fmt.estimate(best.headlines["average"])
    over = f" over {len(summary.compared)} combinations" if summary.compared else ""
    which = "Lowest" if summary.score.lower_is_better else "Highest"
    if len(ranked) == 1:
        sentence = f"{best.label} averages {value}{summary.score.sign}{over}"
    else:
        sentence = f"{which} average{over}: {best.label}, {value}{summary.score.sign}"
    gain = best.differences.get("average")
    if gain:
        seeds = "one seed" if len(gain.seeds) == 1 else f"{len(gain.seeds)} seeds"
        points = " points" if summary.score.rate else ""
        sentence += (
            f", {fmt.difference(gain)}{points} against {summary.baseline} (paired over {seeds})"
        )
    elif best.label == summary.baseline and len(ranked) > 1:
        sentence += ", the baseline"
    sentence += _no_better(summary, best.headlines["average"].mean)
    if best.worst:
        worst = fmt.percent(best.scores[best.worst].mean)
        alone = " alone" if len(members(best.worst)) == 1 else ""
        sentence += f". Its worst combination is {best.worst}{alone}, {worst}{summary.score.sign}"
    return sentence + "."


def _no_better(summary: DataSummary, average: float) -> str:
    """Return that an average is no better than a constant prediction; empty where it is better."""
    score = summary.score
    each = [summary.constants[name] for name in summary.compared if name in summary.constants]
    if not each:
        return ""
    alone = sum(each) / len(each)
    slack = NO_BETTER * (1 if score.rate else alone)
    if score.error(average) <= score.error(alone) - slack:
        return ""
    which = CONSTANT_NAMES[score.name]
    return f", no better than {which} alone, {fmt.percent(alone)}{score.sign}"


def how_main(summary: DataSummary) -> str:
    """Return how to read the main table."""
    score, several = summary.score, len(summary.systems) > 1
    label = score.label if score.label != "accuracy" else "Accuracy"
    text = f"{label} {score.unit}{', lower is better' if score.lower_is_better else ''}"
    measured = any(len(item.seeds) > 1 for item in summary.systems)
    text += "; mean ± standard error over seeds" if measured else ""
    if several and summary.baseline:
        text += (
            f"; in small print, the difference to {summary.baseline} in {score.points}, paired by "
            "seed, with its 95% interval"
        )
    if several:
        text += (
            ". Bold: the best mean, where chance does not explain its lead over any other (95% "
            "interval, paired by seed)"
        )
    cost = ""
    if any("train_seconds" in item.run_metrics for item in summary.systems):
        cost = "Training is per seed; parameters are those at inference"
        if any("inference_flops" in item.run_metrics for item in summary.systems):
            cost += (
                ", below them the operations (op.) that predict one sample from all modalities: "
                "how long that takes depends on the machine, and on what else it does"
            )
        cost += ". "
    return f"{text}. {cost}{constant_text(summary)}".strip()


def facts(summary: DataSummary) -> list[tuple[str, str]]:
    """Return what was run, as ``(name, text)`` pairs."""
    seeds = sorted({seed for item in summary.systems for seed in item.seeds})
    commits = dict.fromkeys(run.commit[:12] for run in summary.runs if run.commit)
    recipes = dict.fromkeys(i.system.recipe for i in summary.systems if i.system.recipe)
    split = "test" if summary.split == "test" else "validation, not test"
    possible = 2 ** len(summary.modalities) - 1
    pairs = [
        ("Data", f"{summary.dataset}, {_samples(summary)} ({split}){_grain(summary)}"),
        ("Modalities", ", ".join(summary.modalities)),
        ("Combinations", f"{len(summary.combinations)} of {possible}"),
        ("Score", summary.score.explained),
        ("Seeds", ", ".join(map(str, seeds)) or "none: as printed"),
        ("Recipe", ", ".join(recipes)),
        ("Settings of all systems", ", ".join(summary.shared)),
        ("Chosen on validation for each system", ", ".join(summary.chosen)),
        ("Other metrics in the rows", ", ".join(summary.ignored)),
        ("Commit of the code", ", ".join(commits)),
    ]
    return [(name, text) for name, text in pairs if text]


def _samples(summary: DataSummary) -> str:
    if not summary.samples:
        return "number of samples unknown"
    if summary.fewest == summary.samples:
        return f"{summary.samples:,} {'sample' if summary.samples == 1 else 'samples'}"
    return (
        f"{summary.fewest:,} to {summary.samples:,} samples per combination, those with all of its "
        "modalities"
    )


def _grain(summary: DataSummary) -> str:
    """Return how much one sample changes an accuracy."""
    if summary.score.name != "accuracy" or not summary.fewest:
        return ""
    least, most = fmt.percent(1 / summary.samples), fmt.percent(1 / summary.fewest)
    span = least if summary.fewest == summary.samples else f"{least} to {most}"
    return f"; one sample is {span} points"
