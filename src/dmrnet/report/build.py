"""Build a report: read runs, summarise and draw them, write its files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dmrnet.report.figures.drawing.figure import standalone
from dmrnet.report.mistakes.outcomes import read_outcomes
from dmrnet.report.mistakes.shown import SHOWN, read_shown
from dmrnet.report.pages.html.page import render_html
from dmrnet.report.pages.latex import latex
from dmrnet.report.pages.markdown import render_markdown
from dmrnet.report.pages.overview import make_overview
from dmrnet.report.pages.section import OWN_LEFT_OUT, make_section
from dmrnet.report.records.history import read_history
from dmrnet.report.records.mining import read_variance_by_epoch
from dmrnet.report.records.predictions import PICTURES, read_label_maps, read_predictions
from dmrnet.report.records.rows import SPLITS
from dmrnet.report.records.runs import read_runs, without_settings
from dmrnet.report.records.systems import System
from dmrnet.report.summary.analyses import read_run
from dmrnet.report.summary.summary import DataSummary, summarise
from dmrnet.storage import check_folder, check_outputs, write_together

_FIGURES = "figures"

_BEGINNINGS = {
    "tex": b"% Tables for \\input{report}.",
    "md": b"# Missing-modality report\n",
    "html": b"<title>Missing-modality report",
}
"""Text near the beginning of each file of a report, by the end of its name."""

_NEAR = 1000


@dataclass(frozen=True, slots=True)
class Report:
    """A written report: the paths of its files, and the numbers, for `terminal_table`.

    Attributes:
        own_left_out: Whether pictures of the user's own samples were left out, unasked.
    """

    page: Path
    markdown: Path
    latex: Path
    figures: tuple[Path, ...]
    summaries: tuple[DataSummary, ...]
    own_left_out: bool = False


def build_report(
    runs: Sequence[str | Path],
    out: str | Path,
    baseline: str = "sf-md",
    split: str = "test",
    names: Mapping[System, str] | None = None,
    chosen: Sequence[str] = (),
    overwrite: bool = False,
    samples: bool | None = None,
) -> Report:
    """Write the report of some runs.

    All contents are made before the first file is written, and files are replaced once all are on
    the disk: if a report fails, an earlier one stays as it was.

    Args:
        runs: Run folders, folders of run folders, or ``.jsonl`` files of rows.
        out: Folder for ``report.html``, ``report.md``, ``report.tex`` and ``figures/``; made if it
            does not exist.
        baseline: Label or method name of the system that the others are compared to; without such
            a system nothing is compared.
        split: ``test``, or ``val`` for the rows that training wrote.
        names: Labels of some systems, instead of method, recipe and settings.
        chosen: Names of settings that were chosen for each system, such as ``lr``: systems are not
            distinguished by them.
        overwrite: Whether files that are not of an earlier report are replaced as well.
        samples: Whether pictures of test samples are shown; None: of published data sets, but not
            of the user's own data, which a page that is passed on would carry along.

    Raises:
        FileExistsError: If a file in the folder would be replaced that is of no report.
        ValueError: If the split is unknown, a row is corrupt, two rows disagree, a run has no rows
            of the split, or the baseline could be several systems.
        FileNotFoundError: If a path holds no rows.
    """
    if split not in SPLITS:
        raise ValueError(f"expected split 'test' or 'val', got {split!r}")
    out = Path(out)
    pages = {kind: out / f"report.{kind}" for kind in _BEGINNINGS}
    foreign = [path for kind, path in pages.items() if not _is_report(path, _BEGINNINGS[kind])]
    check_outputs(*foreign, overwrite=overwrite)
    check_folder(out)
    read = without_settings(read_runs(runs, split), chosen)
    summaries = tuple(
        replace(item, chosen=tuple(chosen)) for item in summarise(read, split, baseline, names)
    )
    datasets = [item.dataset for item in summaries]
    sections = [
        make_section(
            item,
            read,
            anchor,
            samples,
            is_first=item.dataset not in datasets[:number],
            with_score=datasets.count(item.dataset) > 1,
        )
        for number, (item, anchor) in enumerate(zip(summaries, _anchors(summaries), strict=True))
    ]
    contents: dict[Path, bytes] = {}
    # Units differ between data sets, so that only rates are pooled.
    overview = make_overview([item for item in summaries if item.score.rate], names)
    drawn = [figure for section in sections for figure in section.all_figures]
    for figure in [*(overview.figures if overview else ()), *drawn]:
        contents[out / _FIGURES / f"{figure.name}.svg"] = standalone(figure.svg).encode()
        contents[out / _FIGURES / f"{figure.name}.png"] = figure.png
    figures = tuple(contents)
    # The page is last: once it exists, so do the files that belong to it.
    contents[pages["tex"]] = latex(summaries).encode()
    contents[pages["md"]] = render_markdown(sections, _FIGURES, overview).encode()
    contents[pages["html"]] = render_html(sections, overview).encode()
    earlier = _figures_of(out)
    check_outputs(*(path for path in figures if path not in earlier), overwrite=overwrite)
    write_together(contents)
    for path in earlier - contents.keys():
        path.unlink(missing_ok=True)
    unasked = any(section.samples == OWN_LEFT_OUT for section in sections)
    return Report(pages["html"], pages["md"], pages["tex"], figures, summaries, unasked)


def find_damage(folder: Path, split: str) -> str | None:
    """Return the first error in the files of a run folder, or None if a split can be reported."""
    try:
        (run,) = read_runs([folder], split)
        read_predictions(run, run.modalities)
        read_outcomes(folder, run.modalities)
        if (folder / SHOWN).is_file():
            read_shown(folder / SHOWN)
        read_run(folder)
        read_variance_by_epoch([folder], run.modalities)
        read_history(folder)
        if (folder / PICTURES).is_file():
            read_label_maps(folder / PICTURES)
    except (ValueError, OSError) as error:
        return str(error)
    return None


def _is_report(path: Path, beginning: bytes) -> bool:
    """Return whether a file is of an earlier report."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return beginning in stream.read(_NEAR)


def _figures_of(out: Path) -> set[Path]:
    """Return the figures' files that an earlier report in a folder names, and no others."""
    page = out / "report.md"
    if not page.is_file():
        return set()
    text = page.read_text("utf-8", errors="replace")
    names = re.findall(rf"^!\[.*\]\({_FIGURES}/([a-z0-9-]+)\.svg\)$", text, re.MULTILINE)
    return {out / _FIGURES / f"{name}{end}" for name in names for end in (".svg", ".png")}


def _anchors(summaries: Sequence[DataSummary]) -> list[str]:
    """Return a name for each summary, all different: letters, digits and hyphens."""
    names: list[str] = []
    for item in summaries:
        plain = re.sub(r"[^a-z0-9]+", "-", f"{item.dataset} {item.score.name}".lower()).strip("-")
        name, number = plain, 2
        while name in names:
            name, number = f"{plain}-{number}", number + 1
        names.append(name)
    return names
