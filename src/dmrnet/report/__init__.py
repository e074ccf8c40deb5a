"""Reports: from run folders to tables, figures and one page.

A report reads the rows that runs left in their folders (`dmrnet.report.records.rows` has their
form). It knows nothing of how they were made, so published rows are reported in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dmrnet.report.figures.figures import draw_figures
from dmrnet.report.figures.pictures import label_maps
from dmrnet.report.figures.svg import standalone
from dmrnet.report.pages.analysis_blocks import analysis_blocks
from dmrnet.report.pages.latex import latex
from dmrnet.report.pages.page import make_section, render_html, render_markdown
from dmrnet.report.records.rows import SPLITS
from dmrnet.report.records.runs import read_runs
from dmrnet.report.records.systems import System
from dmrnet.report.summary.bootstrap import resample
from dmrnet.report.summary.ranks import rank_over_data
from dmrnet.report.summary.summary import DataSummary, summarise
from dmrnet.storage import write_together

__all__ = ["DataSummary", "Report", "build_report"]

_FIGURES = "figures"


@dataclass(frozen=True, slots=True)
class Report:
    """A written report.

    Attributes:
        page: ``report.html``.
        markdown: ``report.md``.
        latex: ``report.tex``.
        figures: The figures' files.
        summaries: What it says, for `dmrnet.report.pages.terminal.terminal_table`.
    """

    page: Path
    markdown: Path
    latex: Path
    figures: tuple[Path, ...]
    summaries: tuple[DataSummary, ...]


def build_report(
    runs: Sequence[Path],
    out: Path,
    baseline: str = "sf-md",
    split: str = "test",
    names: Mapping[System, str] | None = None,
) -> Report:
    """Write the report of some runs.

    Everything is made before anything is written, and files are replaced once all are on the disk:
    a report that fails leaves an earlier one as it was.

    Args:
        runs: Run folders, folders of run folders, or ``.jsonl`` files of rows.
        out: Folder for ``report.html``, ``report.md``, ``report.tex`` and ``figures/``; made if
            need be.
        baseline: Label or method name of the system that the others are compared to; without such
            a system nothing is compared.
        split: ``test``, or ``val`` for what training wrote.
        names: What some systems are called otherwise than by method, recipe and settings.

    Raises:
        ValueError: If the split is unknown, a row is corrupt, two rows disagree, a run has no rows
            of the split, or the baseline could be several systems.
        FileNotFoundError: If a path holds no rows.
    """
    if split not in SPLITS:
        raise ValueError(f"Expected the split 'test' or 'val', came {split!r}.")
    read = read_runs([Path(run) for run in runs], split)
    summaries = summarise(read, split, baseline, names)
    several = {item.dataset for item in summaries if _scores(summaries, item.dataset) > 1}
    sections = []
    for item, anchor in zip(summaries, _anchors(summaries), strict=True):
        figures = [*draw_figures(item, anchor), *label_maps(item, anchor)]
        resampled = resample(item, read)
        section = make_section(item, figures, anchor, resampled, with_score=item.dataset in several)
        sections.append(section.analysed(analysis_blocks(item, anchor)))
    drawn = [figure for section in sections for figure in section.drawn]
    contents: dict[Path, bytes] = {}
    for figure in drawn:
        contents[out / _FIGURES / f"{figure.name}.svg"] = standalone(figure.svg).encode()
        contents[out / _FIGURES / f"{figure.name}.png"] = figure.png
    pictures = tuple(contents)
    # The page comes last: once it is there, all that it is made of is there.
    ranking = rank_over_data(summaries, names)
    contents[out / "report.tex"] = latex(summaries).encode()
    contents[out / "report.md"] = render_markdown(sections, _FIGURES, ranking).encode()
    contents[out / "report.html"] = render_html(sections, ranking).encode()
    before = _figures_of(out)
    write_together(contents)
    for path in before - contents.keys():
        path.unlink(missing_ok=True)
    return Report(out / "report.html", out / "report.md", out / "report.tex", pictures, summaries)


def _figures_of(out: Path) -> set[Path]:
    """Return the files of the figures that an earlier report in a folder names, and no others."""
    page = out / "report.md"
    if not page.is_file():
        return set()
    text = page.read_text("utf-8", errors="replace")
    names = re.findall(rf"^!\[.*\]\({_FIGURES}/([a-z0-9-]+)\.svg\)$", text, re.MULTILINE)
    return {out / _FIGURES / f"{name}{end}" for name in names for end in (".svg", ".png")}


def _scores(summaries: Sequence[DataSummary], dataset: str) -> int:
    return sum(item.dataset == dataset for item in summaries)


def _anchors(summaries: Sequence[DataSummary]) -> list[str]:
    """Name each summary with letters, digits and hyphens, no two alike."""
    names: list[str] = []
    for item in summaries:
        plain = re.sub(r"[^a-z0-9]+", "-", f"{item.dataset} {item.score.name}".lower()).strip("-")
        name, again = plain, 2
        while name in names:
            name, again = f"{plain}-{again}", again + 1
        names.append(name)
    return names
