"""What a report opens with: what happens to a model that never saw a modality missing."""

from __future__ import annotations

from dmrnet.report.records.combinations import members
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.statistics.estimates import average
from dmrnet.report.summary.summary import DataSummary
from dmrnet.report.summary.system_summary import SystemSummary

COMPLETE_ONLY = "full"
"""The method that is trained on all modalities only."""


def opening(summary: DataSummary) -> str:
    """Return what missing modalities do to a model trained on all of them, and to the baseline.

    Returns:
        One sentence with the scores where all modalities are seen, where one fails (the mean over
        which), and in the worst combination; empty without such a model or without a baseline.
    """
    by_label = {item.label: item for item in summary.systems if item.seeds}
    baseline = by_label.get(summary.baseline or "")
    plain = next((i for i in by_label.values() if i.system.method == COMPLETE_ONLY), None)
    if plain is None or baseline is None or plain is baseline or len(summary.modalities) < 2:
        return ""
    situations = {
        f"with all {len(summary.modalities)} modalities": "full",
        "when one fails": "one fails",
        "in the worst combination": "worst",
    }
    texts, sign = [], summary.score.sign
    for words, which in situations.items():
        ours, theirs = (_score(summary, item, which) for item in (plain, baseline))
        if ours is None or theirs is None:
            return ""
        texts.append(f"{words} {ours}{sign} and {theirs}{sign}")
    return (
        f"{plain.label}, trained on complete samples only, and {baseline.label}, which saw "
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
