"""The content of the page on one data set and score, before it is written as HTML or Markdown."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from dmrnet.report.figures.figure import Figure
from dmrnet.report.pages import prose
from dmrnet.report.pages.analysis_blocks import AnalysisBlock
from dmrnet.report.pages.difference_table import difference_table
from dmrnet.report.pages.hardness_table import hardness_table
from dmrnet.report.pages.table import Table
from dmrnet.report.pages.tables import combination_table, cost_table, main_table
from dmrnet.report.records.combinations import members
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.summary.bootstrap import Resampled
from dmrnet.report.summary.notes import notes_on
from dmrnet.report.summary.summary import DataSummary


@dataclass(frozen=True, slots=True)
class CombinationGroup:
    """Combinations of one size.

    Attributes:
        title: Title of the group, such as ``2 modalities seen (3 combinations)``.
        names: Names of the combinations.
        table: Their scores.
    """

    title: str
    names: tuple[str, ...]
    table: Table


@dataclass(frozen=True, slots=True)
class Section:
    """Content of the page on one data set and score.

    Attributes:
        anchor: Id of the section on the page.
        title: Name of the data set, with the score if there are several.
        lead: The result in a sentence or two.
        facts: What was run, as ``(name, text)`` pairs.
        notes: What limits the numbers.
        main: The main table.
        differences: Differences to the baseline; None without a baseline.
        compared: How to read the differences.
        groups: Every combination, by size.
        hardness: Mined and truly worst combinations; None without mining.
        chance: Agreement, in percent, that a random hard set would have.
        mined: The analysis of hard sets, shown with `hardness`; None without it.
        cost: Cost of training and inference; None if unknown.
        figures: Figures of the scores.
        commands: Commands that repeat the runs and the report.
        summary: The numbers themselves.
        analyses: The other analyses.
    """

    anchor: str
    title: str
    lead: str
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    main: Table
    differences: Table | None
    compared: str
    groups: tuple[CombinationGroup, ...]
    hardness: Table | None
    chance: str
    mined: AnalysisBlock | None
    cost: Table | None
    figures: tuple[Figure, ...]
    commands: tuple[str, ...]
    summary: DataSummary
    analyses: tuple[AnalysisBlock, ...]

    @property
    def all_figures(self) -> tuple[Figure, ...]:
        """Figures of the scores, then those of analyses."""
        return self.figures + tuple(figure for block in self.analyses for figure in block.figures)


def make_section(
    summary: DataSummary,
    figures: Sequence[Figure],
    anchor: str,
    resampled: Resampled | None,
    analyses: Sequence[AnalysisBlock],
    *,
    with_score: bool,
) -> Section:
    """Gather the content of a section.

    Args:
        summary: The numbers.
        figures: Figures of the scores.
        anchor: Id of the section on the page.
        resampled: Intervals over draws of test samples; None if predictions were not kept.
        analyses: Analyses of the runs.
        with_score: Whether the title names the score.
    """
    hardness = hardness_table(summary)
    mined = next((b for b in analyses if b.kind == "hard-set"), None) if hardness.rows else None
    if mined:
        hardness = hardness_table(summary, measured=False)
    differences, cost = difference_table(summary, resampled), cost_table(summary)
    return Section(
        anchor=anchor,
        title=summary.dataset + (f", {summary.score.label}" if with_score else ""),
        lead=prose.lead(summary),
        facts=tuple(prose.facts(summary)),
        notes=tuple(notes_on(summary)),
        main=main_table(summary),
        differences=differences if differences.rows else None,
        compared=prose.how_compared(summary, resampled),
        groups=tuple(_groups(summary)),
        hardness=hardness if hardness.rows else None,
        chance=fmt.percent(len(summary.modalities) / max(1, len(summary.combinations)), 0),
        mined=mined,
        cost=cost if cost.rows else None,
        figures=tuple(figures),
        commands=tuple(_commands(summary)),
        summary=summary,
        analyses=tuple(block for block in analyses if block is not mined),
    )


def _groups(summary: DataSummary) -> list[CombinationGroup]:
    by_size: dict[int, list[str]] = {}
    for name in summary.combinations:
        by_size.setdefault(len(members(name)), []).append(name)
    return [
        CombinationGroup(
            f"{size} {'modality' if size == 1 else 'modalities'} seen"
            f" ({len(names)} {'combination' if len(names) == 1 else 'combinations'})",
            tuple(names),
            combination_table(summary, names),
        )
        for size, names in by_size.items()
    ]


def _commands(summary: DataSummary) -> list[str]:
    folders = list(dict.fromkeys(str(run.path) for run in summary.runs))
    lines = []
    for run in summary.runs:
        if run.repeatable:
            config = shlex.quote(str(run.path / "config.yaml"))
            again = shlex.quote(f"{run.path}-again")
            lines.append(f"dmrnet fit --config {config} --out {again}")
            if summary.split == "test":
                lines.append(f"dmrnet evaluate {again}")
    return [*lines, f"dmrnet report {' '.join(map(shlex.quote, folders))} --out report"]
