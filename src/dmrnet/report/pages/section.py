"""One data set and score on the page: what its HTML and its Markdown are written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dmrnet.report.figures.by_variance import variance_figures
from dmrnet.report.figures.curves import curve_figures
from dmrnet.report.figures.drawing.figure import Figure
from dmrnet.report.figures.label_maps import map_figures
from dmrnet.report.figures.numbers import number_figures
from dmrnet.report.figures.samples import sample_figure
from dmrnet.report.figures.scores import score_figures
from dmrnet.report.mistakes.gather import Mistakes, NumbersOf, gather
from dmrnet.report.mistakes.shown import shown_samples
from dmrnet.report.pages.tables.analyses import analysis_blocks
from dmrnet.report.pages.tables.calibration import calibration_block
from dmrnet.report.pages.tables.classes import class_block
from dmrnet.report.pages.tables.differences import difference_block
from dmrnet.report.pages.tables.parts import part_block
from dmrnet.report.pages.tables.scores import combination_table, hardness_table
from dmrnet.report.pages.tables.table import Block, Table
from dmrnet.report.pages.tables.worth import worth_block
from dmrnet.report.records.combinations import members
from dmrnet.report.records.predictions import PICTURES
from dmrnet.report.records.runs import RunRecord
from dmrnet.report.records.systems import data_name
from dmrnet.report.summary.summary import DataSummary
from dmrnet.text import shell

# fmt: off
PUBLISHED = frozenset((
    "brats", "cancer", "casia-surf", "crema-d", "cwfid", "digits",
    "ionosphere", "kinetics-sounds", "landsat", "libras", "mfeat", "nyuv2",
    "pendigits", "quadrants", "segment", "spambase", "watch",
))
# fmt: on
"""Data sets whose samples are public, as rows name them; all others are the user's own."""

OWN_LEFT_OUT = (
    "left out, since they are of your own data and a page may be passed on; "
    "`dmrnet report --samples` shows some."
)


@dataclass(frozen=True, slots=True)
class Section:
    """One data set and score on the page.

    Attributes:
        figures: Figures of the scores.
        scores: Scores beside the main one, and differences to the baseline.
        hardness: Mined and truly worst combinations; no rows without mining.
        mined: The analysis of hard sets, shown with `hardness`; None without it.
        more: What each modality is worth, and calibration.
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
    scores: tuple[Block, ...]
    hardness: Table
    mined: Block | None
    more: tuple[Block, ...]
    analyses: tuple[Block, ...]
    mistakes: Mistakes | str | None
    mistake_figures: tuple[Figure, ...]
    samples: Figure | str | None

    @property
    def all_figures(self) -> tuple[Figure, ...]:
        """Figures of the scores, then those of analyses."""
        more, analysed = (
            [f for one in of for f in one.figures] for of in (self.more, self.analyses)
        )
        samples = [self.samples] if isinstance(self.samples, Figure) else []
        return (*self.figures, *self.mistake_figures, *more, *samples, *analysed)

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
    runs: Sequence[RunRecord],
    anchor: str,
    samples: bool | None,
    *,
    is_first: bool,
    with_score: bool,
) -> Section:
    """Make a section: the analysis of hard sets is shown with what was mined, if it was.

    Args:
        summary: Summary of the data set and score.
        runs: The runs that it is of.
        anchor: Name of the section: letters, digits and hyphens. Those of its figures start so.
        samples: Whether pictures of samples are shown; see `dmrnet.report.build_report`.
        is_first: Whether it is the first of its data set, which has what systems get wrong.
        with_score: Whether the title names the score.
    """
    wrong = gather(summary) if is_first else None
    numbers = wrong if isinstance(wrong, NumbersOf) else None
    hardness, analyses = hardness_table(summary), analysis_blocks(summary, anchor)
    mined = next((b for b in analyses if b.kind == "hard-set"), None) if hardness.rows else None
    if mined:  # It has what the last columns have.
        rows = tuple(row[:-3] for row in hardness.rows)
        hardness = Table(hardness.header[:-3], rows, hardness.names)
    maps = () if _why_left_out(summary, samples) else map_figures(summary, anchor)
    return Section(
        anchor=anchor,
        title=summary.dataset + (f", {summary.score.label}" if with_score else ""),
        summary=summary,
        figures=(
            *score_figures(summary, anchor),
            *variance_figures(summary, f"{anchor}-variance"),
            *maps,
            *curve_figures(summary, anchor),
        ),
        scores=(class_block(summary), part_block(summary), difference_block(summary, runs)),
        hardness=hardness,
        mined=mined,
        more=(worth_block(summary, anchor), calibration_block(summary, anchor)),
        analyses=tuple(block for block in analyses if block is not mined),
        mistakes=None if isinstance(wrong, NumbersOf) else wrong,
        mistake_figures=tuple(number_figures(numbers, summary.baseline, anchor) if numbers else ()),
        samples=_samples(summary, anchor, samples) if is_first else None,
    )


def _why_left_out(summary: DataSummary, wanted: bool | None) -> str:
    """Return why pictures of samples are left out; empty if they are not."""
    if wanted is None and data_name(summary.dataset) not in PUBLISHED:
        return OWN_LEFT_OUT
    return "left out, as requested." if wanted is False else ""


def _samples(summary: DataSummary, anchor: str, wanted: bool | None) -> Figure | str | None:
    """Draw some samples, or return why there are none; None where runs keep label maps."""
    maps = any((line.path / PICTURES).is_file() for line in summary.runs)
    samples = None if maps else shown_samples(summary)
    if not isinstance(samples, str) and (why := _why_left_out(summary, wanted)):
        return why
    if samples is None or isinstance(samples, str):
        return samples
    return sample_figure(*samples, summary.modalities, f"{anchor}-samples")
