"""Tables of a study that show printed values next to measured ones, each marked as such."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dmrnet.report.pages.tables.table import SEEN, UNSEEN, Cell, Table
from dmrnet.report.records.combinations import members as modalities_of
from dmrnet.report.records.metrics import SCORES, lower_is_better, score_label
from dmrnet.report.records.published import PublishedRow
from dmrnet.report.records.rows import number, read_records
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.statistics.inference import interval
from dmrnet.report.summary.summary import DataSummary
from dmrnet.report.summary.system_summary import SystemSummary
from dmrnet.studies.plan import StudySystem
from dmrnet.studies.printed import base_name

T = TypeVar("T")

VARIANCE = "variance"
"""Metric of Table 6's row of sigma^2, in printed rows and in analyses."""


@dataclass(frozen=True)
class Printed:
    """Printed values of one table on one data set, with the metric of its scores."""

    source: str
    dataset: str
    metric: str
    rows: tuple[PublishedRow, ...]

    def value(
        self, system: StudySystem | None, combination: str = "", metric: str = ""
    ) -> float | None:
        """Return the printed value of a system; None if there is none."""
        for row in self.rows:
            matches = (row.combination, row.metric) == (combination, metric or self.metric)
            if matches and system is not None and represents(row, system):
                return row.value
        return None

    @property
    def label(self) -> str:
        """Data set and score."""
        return f"{self.dataset}, {score_label(self.metric)}"


def represents(row: PublishedRow, system: StudySystem) -> bool:
    """Whether a printed row has the method and grid values of a system."""
    if row.method != system.printed_as or set(row.settings) != {k for k, _ in system.values}:
        return False
    return all(_same(row.settings[key], text) for key, text in system.values)


def _same(printed: object, text: str) -> bool:
    try:
        return float(str(printed)) == float(text)
    except ValueError:
        return str(printed) == text


def tables_of(rows: Sequence[PublishedRow]) -> list[Printed]:
    """Group printed rows into tables, one per source, data set and score."""
    scores = {score.name for score in SCORES}
    keys = dict.fromkeys((r.source, r.dataset, r.metric) for r in rows if r.metric in scores)
    return [
        Printed(*key, tuple(r for r in rows if (r.source, r.dataset) == key[:2])) for key in keys
    ]


def systems_by_label(
    summary: DataSummary, owners: Mapping[Path, int], systems: Sequence[StudySystem]
) -> dict[str, StudySystem]:
    """Return the plan's system of each label; `owners` are the systems of the run folders."""
    return {line.label: systems[owners[line.path]] for line in summary.runs if line.path in owners}


def overview(
    summary: DataSummary, printed: Sequence[Printed], by_label: Mapping[str, StudySystem]
) -> Table:
    """Return one row per system: average and gain over the baseline, printed and measured."""
    dataset = base_name(summary.dataset)
    known = [one for one in printed if one.dataset == dataset] or list(printed)
    baseline = by_label.get(summary.baseline or "")
    with_variance = [one for one in known if any(r.metric == VARIANCE for r in one.rows)]
    header = ["System"]
    for one in known:
        header += [f"{one.label}, as printed", "better by"]
        header += ["σ², as printed"] if one in with_variance else []
    header += [f"{summary.dataset}, {summary.score.label}, measured", "better by"]
    header += ["σ², measured"] if with_variance else []
    rows = []
    for item in summary.systems:
        if item.system.source:
            continue
        system = by_label.get(item.label)
        cells = [Cell(item.label)]
        for one in known:
            value, base = one.value(system), one.value(baseline)
            gain = None if value is None or base is None or system == baseline else value - base
            cells += [_cell(value, fmt.percent), _gain(gain, lower_is_better(one.metric))]
            if one in with_variance:
                cells.append(_cell(one.value(system, metric=VARIANCE), "{:.2f}".format))
        cells.append(Cell(fmt.estimate(item.headlines.get("average"))))
        cells.append(_measured_gain(item, summary.score.lower_is_better))
        if with_variance:
            cells.append(_cell(variance_of(summary, item), _variance))
        rows.append(tuple(cells))
    return Table(tuple(header), tuple(rows))


def by_combination(
    summary: DataSummary, printed: Sequence[Printed], by_label: Mapping[str, StudySystem]
) -> Table | None:
    """Return one row per combination, as in the paper, with printed values below measured ones.

    None if there are no printed values by combination for this data set.
    """
    mine = [
        one
        for one in printed
        if one.dataset == base_name(summary.dataset) and any(r.combination for r in one.rows)
    ]
    if not mine:
        return None
    (one, *_) = mine
    items = [item for item in summary.systems if not item.system.source]
    rows = []
    for name in (*summary.combinations, ""):
        seen = set(modalities_of(name)) if name else set()
        cells = [Cell(SEEN if part in seen else UNSEEN) for part in summary.modalities]
        if not name:
            cells = [Cell("Average"), *(len(cells) - 1) * [Cell("")]]
        for item in items:
            measured = item.scores.get(name) if name else item.headlines.get("average")
            value = one.value(by_label.get(item.label), name)
            below = "" if value is None else f"{fmt.percent(value)} printed"
            cells.append(Cell(fmt.estimate(measured), below))
        rows.append(tuple(cells))
    header = (*summary.modalities, *(item.label for item in items))
    return Table(header, tuple(rows), names=len(summary.modalities))


def variance_of(summary: DataSummary, item: SystemSummary) -> Estimate | None:
    """Return the mean variance of a system's runs by seed, from their analyses."""
    variances: dict[int, float] = {}
    for line in summary.runs:
        path = line.path / "analyses.jsonl"
        if line.label != item.label or not path.is_file():
            continue
        for where, record in read_records(path):
            of_run = record.get("analysis") == VARIANCE and not record.get("combination")
            if of_run and (value := number(record, "value", where)) is not None:
                variances[line.seed] = value
    return Estimate.of(variances) if variances else None


def _cell(value: T | None, text: Callable[[T], str]) -> Cell:
    return Cell(fmt.NOTHING if value is None else text(value))


def _gain(value: float | None, lower: bool) -> Cell:
    if value is None:
        return Cell("")
    return Cell(fmt.points(-value if lower else value))


def _measured_gain(item: SystemSummary, lower: bool) -> Cell:
    difference = item.differences.get("average")
    if difference is None:
        return Cell("")
    sign = -1 if lower else 1
    gain = Estimate(difference.seeds, tuple(sign * value for value in difference.values))
    return Cell(fmt.points(gain.mean), fmt.ends(interval(gain)))


def _variance(value: Estimate) -> str:
    return f"{value.mean:.2f}" + ("" if value.se is None else f" ± {value.se:.2f}")
