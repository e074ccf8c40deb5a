"""Numbers that accuracy hides: metrics of classes, the best constant, a single predicted class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dmrnet.report.records.metrics import CLASS_METRICS, RECALL
from dmrnet.report.records.systems import System
from dmrnet.report.statistics.estimates import Estimate, average
from dmrnet.report.summary.row_index import RowIndex


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Metrics of classes of one system.

    Attributes:
        label: Name of the system on the page.
        averages: Average over the compared combinations, by metric.
        full: Score with all modalities, by metric.
        recalls: Recall of each class with all modalities, by class.
        constant: Combinations with which some seed predicts one class for every sample, though
            samples are of several.
    """

    label: str
    averages: Mapping[str, Estimate]
    full: Mapping[str, Estimate]
    recalls: Mapping[str, Estimate]
    constant: tuple[str, ...]


def class_scores_of(
    index: RowIndex,
    system: System,
    label: str,
    compared: Sequence[str],
) -> ClassScores | None:
    """Return the metrics of classes of a system; None where its rows have none.

    Args:
        index: Rows of the data set.
        system: The system.
        label: Its name on the page.
        compared: Combinations that averages are over.
    """

    def value(metric: str, name: str) -> Estimate | None:
        estimate = index.scores.get((system, metric, name))
        return Estimate.of(estimate) if estimate else None

    whole = "+".join(index.modalities)
    averages, full = {}, {}
    for metric in CLASS_METRICS:
        each = [one for name in compared if (one := value(metric, name))]
        if each and (mean := average(each)):
            averages[metric] = mean
        if one := value(metric, whole):
            full[metric] = one
    if not averages and not full:
        return None
    classes = [metric for metric in index.metrics if metric.startswith(RECALL)]
    recalls = {
        metric.removeprefix(RECALL): one for metric in classes if (one := value(metric, whole))
    }
    constant = tuple(
        name
        for name in compared
        if 1 in index.scores.get((system, "predicted_classes", name), {}).values()
        and min(index.scores.get((system, "majority", name), {0: 1.0}).values()) < 1
    )
    return ClassScores(label, averages, full, recalls, constant)


def constants_of(index: RowIndex, metric: str, combinations: Sequence[str]) -> dict[str, float]:
    """Return what the best constant scores, one of `CONSTANTS`, by combination; mean over runs."""
    values: dict[str, list[float]] = {}
    for (_, which, name), by_seed in index.scores.items():
        if which == metric:
            values.setdefault(name, []).extend(by_seed.values())
    return {name: sum(of) / len(of) for name in combinations if (of := values.get(name))}


def undefined_acer(index: RowIndex) -> str:
    """Return why ACER is undefined, and the error rate that is defined; empty if neither is."""
    for metric, missing in (("apcer", "bona fide"), ("bpcer", "an attack")):
        values = [
            value
            for (_, of, name), by_seed in index.scores.items()
            if of == metric and name
            for value in by_seed.values()
        ]
        if values:
            return (
                f"ACER is not defined, since no sample is {missing}. {metric.upper()} is: "
                f"{100 * sum(values) / len(values):.1f}% on average over combinations and runs, "
                f"{100 * max(values):.1f}% at worst."
            )
    return ""
