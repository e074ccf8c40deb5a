"""The table of metrics of classes, and sentences on constants."""

from __future__ import annotations

from dmrnet.report.pages.tables.table import Block, Table, average_rows, score_cell
from dmrnet.report.records.metrics import CLASS_METRICS, CONSTANT_NAMES
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.summary.summary import DataSummary

MOST_CLASSES = 6
"""Largest number of classes whose recall is in the table."""


def class_block(summary: DataSummary) -> Block:
    """One row per system: averages of metrics of classes, and the recall of few classes."""
    metrics = [m for m in CLASS_METRICS if any(m in one.averages for one in summary.of_classes)]
    classes = list(dict.fromkeys(name for one in summary.of_classes for name in one.recalls))
    classes = classes if len(classes) <= MOST_CLASSES else []
    systems = [(one.label, one.averages, one.full) for one in summary.of_classes]
    rows = [
        (*row, *(score_cell(one.recalls.get(name), None, 1) for name in classes))
        for row, one in zip(
            average_rows(summary, systems, metrics, 1), summary.of_classes, strict=True
        )
    ]
    header = ("System", *(CLASS_METRICS[m] for m in metrics), *(f"Recall of {n}" for n in classes))
    return Block(
        "Beside accuracy",
        Table(header, tuple(rows if metrics else ())),
        "Percent; average over combinations, below it with all modalities. Balanced accuracy is "
        "the mean recall of the classes, macro F1 the mean of their F1; AUROC and average "
        "precision are means over classes, each against the rest. A constant prediction has a "
        "balanced accuracy of one over the number of classes, and an AUROC of 50%. Recall of a "
        "class is with all modalities.",
        kind="classes",
        caption="Metrics of classes of every system",
    )


def constant_text(summary: DataSummary) -> str:
    """Return what the best constant alone scores; empty where that is not known."""
    shares = sorted({fmt.percent(value) for value in summary.constants.values()}, key=float)
    if not shares:
        return ""
    between = shares[0] if len(shares) == 1 else f"{shares[0]} to {shares[-1]}"
    which, score = CONSTANT_NAMES[summary.score.name], summary.score
    scores = f"scores {between}%" if score.rate else f"has {score.label} {between}"
    return f"Predicting {which} for every sample {scores} (dashed in the figures)."
