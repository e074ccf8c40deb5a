"""One data set and score on the page: what its HTML and its Markdown are written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dmrnet.report.figures.drawing.figure import Figure
from dmrnet.report.mistakes.gather import Mistakes
from dmrnet.report.pages.prose import how_compared
from dmrnet.report.pages.tables.analyses import AnalysisBlock
from dmrnet.report.pages.tables.differences import difference_table
from dmrnet.report.pages.tables.scores import combination_table, hardness_table
from dmrnet.report.pages.tables.table import Table
from dmrnet.report.records.combinations import members
from dmrnet.report.summary.bootstrap import Resampled
from dmrnet.report.summary.summary import DataSummary
from dmrnet.text import shell


@dataclass(frozen=True, slots=True)
class Section:
    """One data set and score on the page.

    Attributes:
        figures: Figures of the scores.
        differences: Differences to the baseline; no rows without a baseline.
        compared: How to read the differences.
        worth: What each modality is worth; no rows where not all combinations are scored.
        worth_figures: Figures of that.
        calibration: Calibration errors; no rows where no run keeps what they need.
        calibration_figures: Reliability diagram of that.
        hardness: Mined and truly worst combinations; no rows without mining.
        mined: The analysis of hard sets, shown with `hardness`; None without it.
        analyses: The other analyses.
        mistakes: What systems get wrong, or why that is not known; None where another section of
            the data set has it.
        mistake_figures: Numbers next to the truth.
        samples: Pictures of some samples, or why there are none; None where another section of the
            data set has them, or label maps.
    """

    anchor: str
    title: str
    summary: DataSummary
    figures: tuple[Figure, ...]
    differences: Table
    compared: str
    worth: Table
    worth_figures: tuple[Figure, ...]
    calibration: Table
    calibration_figures: tuple[Figure, ...]
    hardness: Table
    mined: AnalysisBlock | None
    analyses: tuple[AnalysisBlock, ...]
    mistakes: Mistakes | str | None = None
    mistake_figures: tuple[Figure, ...] = ()
    samples: Figure | str | None = None

    @property
    def all_figures(self) -> tuple[Figure, ...]:
        """Figures of the scores, then those of analyses."""
        analysed = (figure for block in self.analyses for figure in block.figures)
        samples = [self.samples] if isinstance(self.samples, Figure) else []
        own = (*self.figures, *self.mistake_figures, *self.worth_figures, *self.calibration_figures)
        return (*own, *samples, *analysed)

    @property
    def left_out(self) -> list[str]:
        """Why parts of the page are not there, a sentence each."""
        parts = {"What gets confused": self.mistakes, "Samples": self.samples}
        return [f"{name}: {why}" for name, why in parts.items() if isinstance(why, str)]

    @property
    def groups(self) -> list[tuple[str, list[str], Table]]:
        """Combinations by size: title, names and scores of each size."""
        by_size: dict[int, list[str]] = {}
        for name in self.summary.combinations:
            by_size.setdefault(len(members(name)), []).append(name)
        return [
            (
                f"{size} {'modality' if size == 1 else 'modalities'} seen"
                f" ({len(names)} {'combination' if len(names) == 1 else 'combinations'})",
                names,
                combination_table(self.summary, names),
            )
            for size, names in by_size.items()
        ]

    @property
    def commands(self) -> list[str]:
        """Commands that repeat the runs and the report."""
        lines = []
        for run in self.summary.runs:
            if run.repeatable:
                config = shell(run.path / "config.yaml")
                again = shell(f"{run.path}-again")
                lines.append(f"dmrnet fit --config {config} --out {again}")
                if self.summary.split == "test":
                    lines.append(f"dmrnet evaluate {again}")
        folders = dict.fromkeys(shell(run.path) for run in self.summary.runs)
        return [*lines, f"dmrnet report {' '.join(folders)} --out report"]


def make_section(
    summary: DataSummary,
    figures: Sequence[Figure],
    anchor: str,
    resampled: Resampled | None,
    analyses: Sequence[AnalysisBlock],
    worth: Table,
    worth_figures: Sequence[Figure],
    calibration: Table,
    calibration_figures: Sequence[Figure],
    mistakes: Mistakes | str | None,
    mistake_figures: Sequence[Figure],
    samples: Figure | str | None,
    *,
    with_score: bool,
) -> Section:
    """Gather a section: the analysis of hard sets is shown with what was mined, if it was."""
    hardness = hardness_table(summary)
    mined = next((b for b in analyses if b.kind == "hard-set"), None) if hardness.rows else None
    return Section(
        anchor=anchor,
        title=summary.dataset + (f", {summary.score.label}" if with_score else ""),
        summary=summary,
        figures=tuple(figures),
        differences=difference_table(summary, resampled),
        compared=how_compared(summary, resampled),
        worth=worth,
        worth_figures=tuple(worth_figures),
        calibration=calibration,
        calibration_figures=tuple(calibration_figures),
        hardness=hardness_table(summary, measured=False) if mined else hardness,
        mined=mined,
        analyses=tuple(block for block in analyses if block is not mined),
        mistakes=mistakes,
        mistake_figures=tuple(mistake_figures),
        samples=samples,
    )
