"""Printed next to measured values of the parts of a score, such as Dice of each region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dmrnet.report.pages.tables.table import SEEN, UNSEEN, Cell, Table
from dmrnet.report.records.combinations import members as modalities_of
from dmrnet.report.records.published import PublishedRow
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.summary.parts import SEPARATOR, PartScores, is_part
from dmrnet.report.summary.summary import DataSummary
from dmrnet.studies.plan import StudySystem
from dmrnet.studies.printed import base_name
from dmrnet.studies.printed_tables import Printed


def printed_parts(
    rows: Sequence[PublishedRow], dataset: str, score: str
) -> dict[str, list[Printed]]:
    """Return the printed values of each part of a score on a data set, of one source each."""
    mine = [row for row in rows if row.dataset == base_name(dataset) and is_part(row.metric, score)]
    parts: dict[str, list[Printed]] = {}
    for metric, source in dict.fromkeys((row.metric, row.source) for row in mine):
        some = tuple(row for row in mine if (row.metric, row.source) == (metric, source))
        printed = Printed(source, base_name(dataset), metric, some)
        parts.setdefault(metric.partition(SEPARATOR)[2], []).append(printed)
    return parts


def part_tables(
    summary: DataSummary, rows: Sequence[PublishedRow], by_label: Mapping[str, StudySystem]
) -> list[Table]:
    """Return a table of averages over combinations, then one of combinations for each part.

    Args:
        summary: Measured systems on one data set.
        rows: Printed rows.
        by_label: The plan's system of each label.

    Returns:
        None where no part of the score is printed for the data set.
    """
    printed = printed_parts(rows, summary.dataset, summary.score.name)
    mine = [one for one in summary.parts if one.label in by_label]
    if not printed or not mine:
        return []
    header = ["System"]
    for part in printed:
        header += [f"{part}, as printed", f"{part}, measured"]
    lines = []
    for one in mine:
        cells = [Cell(one.label)]
        for part, sources in printed.items():
            value, mean = _value(sources, by_label[one.label], ""), one.averages.get(part)
            cells.append(Cell(fmt.NOTHING if value is None else fmt.percent(value)))
            cells.append(Cell(fmt.estimate(mean)))
        lines.append(tuple(cells))
    each = [_by_combination(summary, mine, by_label, *item) for item in printed.items()]
    return [Table(tuple(header), tuple(lines)), *each]


def _by_combination(
    summary: DataSummary,
    mine: Sequence[PartScores],
    by_label: Mapping[str, StudySystem],
    part: str,
    sources: Sequence[Printed],
) -> Table:
    lines = []
    for name in (*summary.combinations, ""):
        seen = set(modalities_of(name)) if name else set()
        cells = [Cell(SEEN if one in seen else UNSEEN) for one in summary.modalities]
        if not name:
            cells = [Cell("Average"), *(len(cells) - 1) * [Cell("")]]
        for one in mine:
            mean = one.scores.get(part, {}).get(name) if name else one.averages.get(part)
            value = _value(sources, by_label[one.label], name)
            below = "" if value is None else f"{fmt.percent(value)} printed"
            cells.append(Cell(fmt.estimate(mean), below))
        lines.append(tuple(cells))
    header = (*summary.modalities, *(f"{one.label}, {part}" for one in mine))
    return Table(header, tuple(lines), names=len(summary.modalities))


def _value(sources: Sequence[Printed], system: StudySystem, combination: str) -> float | None:
    values = (one.value(system, combination) for one in sources)
    return next((value for value in values if value is not None), None)
