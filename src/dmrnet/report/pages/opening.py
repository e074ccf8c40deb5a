"""Opening of a report: the loss of a model that never saw a modality missing."""

from __future__ import annotations

from dmrnet.report.records.combinations import members
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.statistics.estimates import average
from dmrnet.report.summary.summary import DataSummary
from dmrnet.report.summary.system_summary import SystemSummary

COMPLETE_ONLY = "full"
"""The method that is trained on all modalities only."""

PREFERRED = "experts"
"""The method to compare with, which is trained where none is named; without it, the baseline."""


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
        ours, theirs = (_score(summary, item, which) for item in (plain, other))
        if ours is None or theirs is None:
            return ""
        texts.append(f"{words} {ours}{sign} and {theirs}{sign}")
    return (
        f"{plain.label}, trained on complete samples only, and {other.label}, which saw "
        f"modalities missing in training: {'; '.join(texts)}."
    )


def _score(summary: DataSummary, item: SystemSummary, which: str) -> str | None:
    """Return a score in percent; None if it is not known."""
    if which != "one fails":
        value = item.headlines.get(which)
        return None if value is None else fmt.percent(value.mean)
    names = [c for c in summary.compared if len(members(c)) == len(summary.modalities) - 1]
    mean = average([item.scores[name] for name in names if name in item.scores])
    return None if mean is None else fmt.percent(mean.mean)
