"""``dmrnet report``: tables, figures and one page from finished runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dmrnet.cli.arguments import Arguments

if TYPE_CHECKING:
    from rich.console import Console

BASELINE = "sf-md"


def run(argv: Sequence[str]) -> int:
    """Write the report and print its main table."""
    parser = Arguments(
        "dmrnet report",
        "Turn runs into a table here, report.md, report.tex, figures and report.html, one file "
        "that works offline.",
    )
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="folder of a run, folder of such folders, or .jsonl file of rows, published ones too",
    )
    add = parser.options.add_argument
    add("--out", metavar="DIR", default="report", help="folder for the report [report]")
    add("--baseline", metavar="METHOD", default=BASELINE, help=f"compared to [{BASELINE}]")
    add(
        "--printed",
        metavar="TABLE",
        action="append",
        default=[],
        help="rows that the paper prints, beside the runs: table1 to table7; may be repeated",
    )
    add("--split", metavar="SPLIT", default="test", help="test, or val for what fit wrote [test]")
    args = parser.read(argv)
    if not args.runs and not args.printed:
        parser.error("expected a run, a file of rows, or --printed TABLE, came none")
    from dmrnet.cli.screen import screen
    from dmrnet.studies.printed import find_printed

    printed = [find_printed(name) for name in args.printed]
    show_report(screen(), [*args.runs, *printed], Path(args.out), args.baseline, args.split)
    return 0


def show_report(
    console: Console,
    runs: Sequence[str | Path],
    out: Path,
    baseline: str,
    split: str,
    told: str = "",
) -> None:
    """Write the report of some runs, print its main table, and where the page is, last.

    Args:
        console: Where to.
        runs: Run folders, folders of them, or files of rows.
        out: Folder of the report.
        baseline: Method that the others are compared to.
        split: Whose rows.
        told: A line between the two.
    """
    from dmrnet.report.build import build_report
    from dmrnet.report.pages.terminal import terminal_table

    report = build_report([Path(run) for run in runs], out, baseline, split)
    console.print(terminal_table(report.summaries))
    if told:
        console.print(told, style="dim", soft_wrap=True)
    console.print(f"page: {report.page}", soft_wrap=True)
