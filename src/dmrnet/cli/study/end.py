"""End of ``dmrnet study``: failures, analyses, the report, printed next to measured values."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from dmrnet.cli.quickstart import spent
from dmrnet.cli.screen import Screen, clock, counted, screen
from dmrnet.report.build import build_report, find_damage
from dmrnet.report.pages.markdown import markdown_table
from dmrnet.report.pages.tables.table import Table
from dmrnet.report.pages.terminal import terminal_table
from dmrnet.report.records.published import PublishedRow
from dmrnet.report.records.systems import System
from dmrnet.report.summary.summary import DataSummary
from dmrnet.storage import write_text
from dmrnet.studies.incomplete import FILE as INCOMPLETE
from dmrnet.studies.incomplete import incomplete_score, incomplete_tables, show_share
from dmrnet.studies.labels import baseline_of, names_of
from dmrnet.studies.peers import fit_peers
from dmrnet.studies.plan import Plan
from dmrnet.studies.printed import find_printed, for_report, read_printed
from dmrnet.studies.printed_parts import part_tables
from dmrnet.studies.printed_tables import (
    by_combination,
    overview,
    systems_by_label,
    tables_of,
)
from dmrnet.studies.resolve import Member
from dmrnet.studies.search.spaces import searched_settings
from dmrnet.studies.spec import Study
from dmrnet.studies.workers.board import Board

WIDEST = 1000
"""Width that no table reaches, in columns."""

EXPLAINED = (
    "As printed: in the paper, on its data, probably from one training each. Measured: here, mean "
    "± standard error over seeds. Better by: gain of the average over combinations over the "
    "baseline in percentage points, positive is better; below it the 95% interval over seeds."
)


def report_share(
    console: Console, share: tuple[int, int], members: Sequence[Member], board: Board, out: Path
) -> int:
    """Print the result of a share; the command without ``--share`` makes the report."""
    print_failures(console, board)
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
    seconds: float,
) -> int:
    """Analyse and report finished runs, and list failed ones."""
    finished = [member for member in members if member.finished]
    summary = f"{counted(len(board.done), 'run')} in {clock(seconds)}; {spent(board)}"
    split = "test" if all(member.tested for member in finished) else "val"
    finished, damaged = split_damaged(finished, split)
    if not finished:
        console.print(summary, style="dim", soft_wrap=True)
        print_failures(console, board)
        print_damage(console, damaged)
        return 1
    refused = analyse(study, planned, finished)
    printed = [find_printed(name, study.path) for name in study.printed]
    folders = [member.folder for member in finished]
    if printed:
        names = list(dict.fromkeys(member.settings.data_label for member in finished))
        published, rows = out / "report" / "printed.jsonl", for_report(printed, names)
        write_text(published, rows)
        # What the paper prints is of a test set.
        folders += [published] if split == "test" and rows else []
    settings = [member.settings for member in finished]
    others = fit_peers(
        study.peers, settings, out / "peers", lambda line: console.print(line, style="dim")
    )
    folders += others if split == "test" else []
    chosen = searched_settings(study)
    baseline = baseline_of(study, planned, finished, chosen)
    named = names_of(planned, finished, chosen, every=bool(others))
    report = build_report(folders, out / "report", baseline, split, named, chosen)
    mine = [s for s in report.summaries if any(not i.system.source for i in s.systems)]
    console.print(terminal_table(mine))
    if printed:
        printed_rows = [row for path in printed for row in read_printed(path)]
        owners = {member.folder: member.system for member in finished}
        show_printed(console, mine, printed_rows, owners, planned, out / "report" / "printed.md")
    if study.incomplete is not None and split == "test":
        own = [member.folder for member in finished]
        tables = incomplete([*own, *others], study.incomplete, baseline, named, chosen, out)
        for data, table in tables.items():
            console.print(f"{data}: the same incomplete test set for every system", soft_wrap=True)
            _show(console, _grid(table, ""))
    for text in refused:
        console.print(f"left out: {text}", style="dim", soft_wrap=True)
    print_failures(console, board)
    print_damage(console, damaged)
    console.print(summary, style="dim", soft_wrap=True)
    console.print(f"page: {report.page}", soft_wrap=True)
    return 1 if board.broken or damaged else 0


def incomplete(
    folders: Sequence[Path],
    rate: float,
    baseline: str,
    names: Mapping[System, str],
    chosen: Collection[str],
    out: Path,
) -> dict[str, Table]:
    """Score tested runs on the incomplete test set; write the rows and their tables."""
    results = [incomplete_score(folder, rate, chosen) for folder in folders]
    scores = [one for one in results if one is not None]
    tables = incomplete_tables(scores, baseline, names) if scores else {}
    report = out / "report"
    lines = (json.dumps(one.row()) + "\n" for one in scores)
    write_text(report / INCOMPLETE, "".join(lines))
    parts = (
        [f"# On a test set that lacks {show_share(scores)} of its modalities\n"] if scores else []
    )
    for data, table in tables.items():
        parts += [f"## {data}\n", markdown_table(table)]
    write_text(report / "incomplete.md", "\n".join(parts))
    return tables


def split_damaged(members: Sequence[Member], split: str) -> tuple[list[Member], dict[str, str]]:
    """Return the runs with intact files, and the damage of the others by label."""
    checked = [(member, find_damage(member.folder, split)) for member in members]
    damaged = {member.job.label: damage for member, damage in checked if damage is not None}
    return [member for member, damage in checked if damage is None], damaged


def print_damage(console: Console, damaged: Mapping[str, str]) -> None:
    """List the finished runs that are not in the report, with the reason."""
    if damaged:
        console.print(
            f"{len(damaged)} of the finished runs are not reported: their files are damaged",
            style="red",
            soft_wrap=True,
        )
    for label, damage in damaged.items():
        console.print(f"  {label}: {damage}", soft_wrap=True, markup=False)


def analyse(study: Study, planned: Plan, finished: Sequence[Member]) -> tuple[str, ...]:
    """Make the analyses of the study; return those that failed."""
    if not study.analyses:
        return ()
    from dmrnet.studies.analyses import analyse_members

    console = screen(error=True)
    with console.status("analysing") as status:
        return analyse_members(
            finished,
            planned.systems,
            study.analyses,
            lambda label: status.update(f"analysing {label}"),
        )


def show_printed(
    console: Console,
    summaries: Sequence[DataSummary],
    rows: Sequence[PublishedRow],
    owners: dict[Path, int],
    planned: Plan,
    path: Path,
) -> None:
    """Print printed next to measured values, and write them as Markdown."""
    printed = tables_of(rows)
    parts = ["# As printed and as measured\n", f"{EXPLAINED}\n"]
    for summary in summaries:
        by_label = systems_by_label(summary, owners, planned.systems)
        sources = dict.fromkeys(row.source for row in rows)
        title = f"{summary.dataset}, next to {', '.join(sources)}"
        tables = [*part_tables(summary, rows, by_label)]
        if printed:
            each = by_combination(summary, printed, by_label)
            tables = [overview(summary, printed, by_label), *([each] if each else []), *tables]
        if not tables:
            continue
        parts.append(f"## {title}\n")
        for table in tables:
            parts.append(markdown_table(table))
            _show(console, _grid(table, title))
    write_text(path, "\n".join(parts))
    console.print(Text(EXPLAINED, style="dim"), soft_wrap=True)


def _grid(table: Table, title: str) -> RichTable:
    grid = RichTable(title=Text(title) if title else None, title_justify="left", pad_edge=False)
    for index, name in enumerate(table.header):
        grid.add_column(Text(name), justify="left" if index < table.names else "right")
    for row in table.rows:
        grid.add_row(*(Text(c.text + (f"\n{c.below}" if c.below else "")) for c in row))
    return grid


def _show(console: Console, grid: RichTable) -> None:
    """Print a table; in a file or a pipe at full width, so that no number is wrapped."""
    if not console.is_terminal:
        wide = console.options.update(width=WIDEST)
        width = Measurement.get(console, wide, grid).maximum
        # A console prints nothing wider than its own width.
        console = Screen(file=console.file, width=width, highlight=False, quiet=console.quiet)
    console.print(grid)


def print_failures(console: Console, board: Board) -> None:
    """List methods that do not support their data, and failed runs, with their errors."""
    # One line for all seeds of an unsupported method.
    unfit = {(board.jobs[n].label.rpartition(" seed ")[0], f.error) for n, f in board.unfit.items()}
    for label, error in sorted(unfit):
        console.print(f"left out: {label}: {error}", style="dim", soft_wrap=True, markup=False)
    if not board.broken:
        return
    console.print(
        f"{len(board.broken)} of {len(board.jobs)} runs failed; the same command retries them:",
        style="red",
        soft_wrap=True,
    )
    for number, failure in sorted(board.broken.items()):
        line = f"  {board.jobs[number].label}: {failure.error}"
        console.print(line, soft_wrap=True, markup=False)
