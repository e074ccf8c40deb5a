"""Tables of what one system gets wrong with one combination."""

from __future__ import annotations

from dmrnet.report.mistakes.gather import Mistakes
from dmrnet.report.mistakes.outcomes import Counts
from dmrnet.report.mistakes.pack import confused_pairs, form_of
from dmrnet.report.pages.tables.table import EMPTY, Cell, Table
from dmrnet.report.statistics import formatting as fmt

HOW_MISTAKES = {
    "matrix": "A row is a true class, a column a predicted one; on the diagonal a prediction is "
    "right. Recall is the share of a class that is recognised, precision the share of its "
    "predictions that are right, in percent.",
    "pairs": "The classes that are most often taken for another.",
    "labels": "Of each label, the samples that have it, those that are predicted to, and both; "
    "recall is the share of the first that are found, precision the share of the second that are "
    "right, in percent.",
}
"""Explanation of the tables, by form."""


def mistake_tables(mistakes: Mistakes) -> dict[str, Table]:
    """Return tables of the first system by title: all modalities, and its worst combination."""
    label = mistakes.first
    return {
        title_of(mistakes, label, name): table_of(mistakes, mistakes.counts[label][name])
        for name in mistakes.shown(label)
    }


def title_of(mistakes: Mistakes, label: str, name: str) -> str:
    """Return what a table shows: system, combination, how much of it is right."""
    which = "all modalities" if name == mistakes.full else name
    if name == mistakes.worst.get(label) and name != mistakes.full:
        which += " (its worst)"
    counts, seeds = mistakes.counts[label][name], mistakes.seeds[label]
    every = int(counts[0].sum()) if mistakes.kind == "labels" else int(counts.sum())
    text = f"{label} with {which}: "
    if mistakes.kind != "labels":
        right = int(counts.trace())
        text += f"{fmt.percent(right / max(every, 1), 1)}% of "
    over = f", {seeds} seeds together" if seeds > 1 else ""
    return f"{text}{every:,} {mistakes.noun}{' right' if mistakes.kind != 'labels' else ''}{over}"


def table_of(mistakes: Mistakes, counts: Counts) -> Table:
    """Return the table of some counts: a matrix, the most confused pairs, or a row per label."""
    makers = {"matrix": _matrix, "labels": _labels, "pairs": _pairs}
    return makers[form_of(mistakes)](mistakes, counts)


def _matrix(mistakes: Mistakes, counts: Counts) -> Table:
    of_class, predicted = counts.sum(1), counts.sum(0)
    pixels = mistakes.kind == "pixels"
    rows = []
    for row, name in enumerate(mistakes.classes):
        cells = [Cell(name)]
        for count in counts[row].tolist():
            share = count / of_class[row] if of_class[row] else 0.0
            text = fmt.percent(share, 1) if pixels else f"{count:,}"
            cells.append(Cell(text if count else "", value=share))
        cells += [_share(counts[row, row], of_class[row]), Cell(f"{of_class[row]:,}")]
        rows.append(tuple(cells))
    right = [_share(counts[k, k], predicted[k]) for k in range(len(counts))]
    rows.append((Cell("Precision"), *right, Cell(""), Cell("")))
    header = ("True class", *mistakes.classes, "Recall", "n")
    return Table(header, tuple(rows))


def _pairs(mistakes: Mistakes, counts: Counts) -> Table:
    of_class = counts.sum(1)
    rows = tuple(
        (
            Cell(mistakes.classes[true]),
            Cell(mistakes.classes[guess]),
            Cell(f"{n:,}"),
            _share(n, of_class[true]),
            _share(counts[true, true], of_class[true]),
        )
        for true, guess, n in confused_pairs(counts)
    )
    return Table(("True class", "Predicted", "Times", "Of the class", "Its recall"), rows, names=2)


def _labels(mistakes: Mistakes, counts: Counts) -> Table:
    rows = []
    for name, ((_, false), (missed, both)) in zip(mistakes.classes, counts.tolist(), strict=True):
        has, predicted = missed + both, false + both
        f1 = _share(2 * both, has + predicted)
        numbers = [Cell(f"{n:,}") for n in (has, predicted, both)]
        rows.append((Cell(name), *numbers, _share(both, has), _share(both, predicted), f1))
    header = ("Label", "Have it", "Predicted", "Both", "Recall", "Precision", "F1")
    return Table(header, tuple(rows))


def _share(part: int, whole: int) -> Cell:
    """Return a share in percent; nothing where there is nothing to share."""
    return Cell(fmt.percent(part / whole, 1)) if whole else EMPTY
