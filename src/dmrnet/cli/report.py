"""``dmrnet report``: tables, figures and one page from finished runs."""

from __future__ import annotations

from argparse import BooleanOptionalAction
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
        "Report runs as a table here, report.md, report.tex, figures, and report.html, one file "
        "that works offline.",
    )
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="folder of a run, folder of runs, or .jsonl file of rows, also published ones",
    )
    add = parser.options.add_argument
    add("--out", metavar="DIR", default="report", help="folder for the report [report]")
    add("--overwrite", action="store_true", help="replace files in DIR that are of no report")
    add("--baseline", metavar="METHOD", default=BASELINE, help=f"method to compare to [{BASELINE}]")
    add(
        "--printed",
        metavar="TABLE",
        action="append",
        default=[],
        help="show the paper's printed rows next to the runs: table1 to table7; may be repeated",
    )
    add(
        "--baselines",
        action="store_true",
        help="fit what one would use instead on the same rows, and show it: logistic regressions, "
        "forests, boosting (scikit-learn)",
    )
    add(
        "--samples",
        action=BooleanOptionalAction,
        help="pictures of test samples [of published data sets, not of your own files]",
    )
    add("--split", metavar="SPLIT", default="test", help="test, or val for the rows of fit [test]")
    args = parser.read(argv)
    if not args.runs and not args.printed:
        parser.error("expected a run, a file of rows, or --printed TABLE, got none")
    from dmrnet.cli.screen import screen
    from dmrnet.studies.printed import find_printed

    printed = [find_printed(name) for name in args.printed]
    peers: list[Path] = []
    if args.baselines:
        from dmrnet.cli.peers import peers_of

        peers = peers_of([Path(run) for run in args.runs], args.split, Path(args.out) / "baselines")
    show_report(
        screen(),
        [*args.runs, *printed, *peers],
        Path(args.out),
        args.baseline,
        args.split,
        overwrite=args.overwrite,
        samples=args.samples,
    )
    return 0


def show_report(
    console: Console,
    runs: Sequence[str | Path],
    out: Path,
    baseline: str,
    split: str,
    summary: str = "",
    overwrite: bool = False,
    samples: bool | None = None,
) -> None:
    """Write the report of runs into a folder; print its table, the summary and the page's path."""
    from dmrnet.report.build import build_report
    from dmrnet.report.pages.terminal import terminal_table

    paths = [Path(run) for run in runs]
    report = build_report(paths, out, baseline, split, overwrite=overwrite, samples=samples)
    console.print(terminal_table(report.summaries))
    if summary:
        console.print(summary, style="dim", soft_wrap=True)
    if report.own_left_out:
        console.print(
            "pictures of your own samples are left out of the page: --samples shows some",
            style="dim",
            soft_wrap=True,
        )
    console.print(f"page: {report.page}", soft_wrap=True)
