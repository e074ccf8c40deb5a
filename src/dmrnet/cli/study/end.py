"""How ``dmrnet study`` ends: failures, analyses, the report, the printed values beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from dmrnet.cli.quickstart import spent
from dmrnet.cli.screen import Screen, clock, screen
from dmrnet.cli.study.text import counted
from dmrnet.report.build import build_report
from dmrnet.report.check import find_damage
from dmrnet.report.pages.markdown import markdown_table
from dmrnet.report.pages.table import Table
from dmrnet.report.pages.terminal import terminal_table
from dmrnet.report.summary.summary import DataSummary
from dmrnet.studies.beside import Printed, by_combination, overview, systems_by_label, tables_of
from dmrnet.studies.labels import baseline_of, names_of
from dmrnet.studies.plan import Plan
from dmrnet.studies.printed import find_printed, for_report, read_printed
from dmrnet.studies.resolve import Member
from dmrnet.studies.spec import Study
from dmrnet.studies.workers.board import Board

WIDEST = 1000
"""Columns that no table reaches."""

EXPLAINED = (
    "As printed: in the paper, on its data, from one training each as far as is known. Measured: "
    "here, mean ± standard error over seeds. Better by: percentage points of the average over "
    "combinations against the baseline, positive is better; below it the 95% interval over seeds."
)


def tell_share(
    console: Console, share: tuple[int, int], members: Sequence[Member], board: Board, out: Path
) -> int:
    """Say how a share ended; the report is made by the command without ``--share``."""
    tell_failures(console, board)
    finished = sum(member.finished for member in members)
    console.print(
        f"share {share[0]}/{share[1]}: {finished} of {len(members)} runs are finished in {out}; "
        "the same command without --share reports them",
        soft_wrap=True,
    )
    return 1 if board.broken else 0


def finish(
    console: Console,
    study: Study,
    planned: Plan,
    members: Sequence[Member],
    board: Board,
    out: Path,
    took: float,
) -> int:
    """Analyse and report what is finished, and list what failed."""
    finished = [member for member in members if member.finished]
    told = f"{counted(len(board.done), 'run')} in {clock(took)}; {spent(board)}"
    split = "test" if all(member.tested for member in finished) else "val"
    finished, damaged = whole(finished, split)
    if not finished:
        console.print(told, style="dim", soft_wrap=True)
        tell_failures(console, board)
        tell_damage(console, damaged)
        return 1
    refused = analyse(study, planned, finished)
    printed = [find_printed(name, study.path) for name in study.printed]
    folders: list[Path] = [member.folder for member in finished]
    if printed:
        names = list(dict.fromkeys(member.settings.data_label for member in finished))
        beside = out / "report" / "printed.jsonl"
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(for_report(printed, names), encoding="utf-8")
        folders.append(beside)
    if split == "val":
        # What the paper prints is of a test set.
        folders = [member.folder for member in finished]
    report = build_report(
        folders,
        out / "report",
        baseline_of(study, planned, finished),
        split,
        names_of(planned, finished),
    )
    mine = [s for s in report.summaries if any(not i.system.source for i in s.systems)]
    console.print(terminal_table(mine))
    if printed:
        tables = tables_of([row for path in printed for row in read_printed(path)])
        owners = {member.folder: member.system for member in finished}
        show_beside(console, mine, tables, owners, planned, out / "report" / "printed.md")
    for text in refused:
        console.print(f"left out: {text}", style="dim", soft_wrap=True)
    tell_failures(console, board)
    tell_damage(console, damaged)
    console.print(told, style="dim", soft_wrap=True)
    console.print(f"page: {report.page}", soft_wrap=True)
    return 1 if board.broken or damaged else 0


def whole(members: Sequence[Member], split: str) -> tuple[list[Member], dict[str, str]]:
    """Return the runs whose files can be reported, and what is wrong with the others, by label."""
    found = [(member, find_damage(member.folder, split)) for member in members]
    damaged = {member.job.label: damage for member, damage in found if damage is not None}
    return [member for member, damage in found if damage is None], damaged


def tell_damage(console: Console, damaged: Mapping[str, str]) -> None:
    """List the finished runs that are not in the report, and why."""
    if damaged:
        console.print(
            f"{len(damaged)} of the finished runs are not reported: their files are damaged",
            style="red",
            soft_wrap=True,
        )
    for label, damage in damaged.items():
        console.print(f"  {label}: {damage}", soft_wrap=True, markup=False)


def analyse(study: Study, planned: Plan, finished: Sequence[Member]) -> tuple[str, ...]:
    """Make the study's analyses; return what could not be made."""
    if not study.analyses:
        return ()
    from dmrnet.studies.looking import look

    console = screen(error=True)
    with console.status("analysing") as status:
        return look(
            finished,
            planned.systems,
            study.analyses,
            lambda label: status.update(f"analysing {label}"),
        )


def show_beside(
    console: Console,
    summaries: Sequence[DataSummary],
    printed: Sequence[Printed],
    owners: dict[Path, int],
    planned: Plan,
    path: Path,
) -> None:
    """Print the printed values beside the measured ones, and write them as Markdown."""
    parts = ["# As printed and as measured\n", f"{EXPLAINED}\n"]
    for summary in summaries:
        by_label = systems_by_label(summary, owners, planned.systems)
        title = f"{summary.dataset}, beside {', '.join(dict.fromkeys(p.source for p in printed))}"
        tables = [overview(summary, printed, by_label), by_combination(summary, printed, by_label)]
        parts.append(f"## {title}\n")
        for table in tables:
            if table is not None:
                parts.append(markdown_table(table))
                _show(console, _grid(table, title))
    path.write_text("\n".join(parts), encoding="utf-8")
    console.print(Text(EXPLAINED, style="dim"), soft_wrap=True)


def _grid(table: Table, title: str) -> RichTable:
    grid = RichTable(title=Text(title), title_justify="left", pad_edge=False)
    for index, name in enumerate(table.header):
        grid.add_column(Text(name), justify="left" if index < table.names else "right")
    for row in table.rows:
        grid.add_row(*(Text(c.text + (f"\n{c.below}" if c.below else "")) for c in row))
    return grid


def _show(console: Console, grid: RichTable) -> None:
    """Print a table; in a file or a pipe as wide as it is, so that no number is broken in two."""
    if not console.is_terminal:
        wide = console.options.update(width=WIDEST)
        width = Measurement.get(console, wide, grid).maximum
        # A console prints nothing wider than itself.
        console = Screen(file=console.file, width=width, highlight=False, quiet=console.quiet)
    console.print(grid)


def tell_failures(console: Console, board: Board) -> None:
    """List what could not be had for its data, and the runs that failed, each with its error."""
    # A seed more says nothing new of what cannot be had.
    unfit = {(board.jobs[n].label.rpartition(" seed ")[0], f.error) for n, f in board.unfit.items()}
    for label, error in sorted(unfit):
        console.print(f"left out: {label}: {error}", style="dim", soft_wrap=True, markup=False)
    if not board.broken:
        return
    console.print(
        f"{len(board.broken)} of {len(board.jobs)} runs failed; the same command tries them again:",
        style="red",
        soft_wrap=True,
    )
    for number, failure in sorted(board.broken.items()):
        line = f"  {board.jobs[number].label}: {failure.error}"
        console.print(line, soft_wrap=True, markup=False)
