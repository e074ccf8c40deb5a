"""Write docs/results.md from the result rows under results/.

Each folder there is one experiment: ``about.md`` (what was run, by which command, what it shows)
and ``*.jsonl`` (its result rows). Keep an experiment's rows with::

    python tools/make_results.py keep NAME RUN [RUN ...]

then write ``results/NAME/about.md`` and rewrite the page with::

    python tools/make_results.py page
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

from dmrnet.report.runs import read_runs
from dmrnet.report.summary import summarise
from dmrnet.report.tables import combination_table, cost_table, main_table, markdown

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
PAGE = ROOT / "docs" / "results.md"
KEPT = ("accuracy", "acer", "miou", "iou")
"""Metrics of combinations that tables are made from."""

HEAD = """# Results

The tables are made from the rows under `results/` by `python tools/make_results.py page`. The text
above each is written by hand; a figure in it stands beside the command that printed it.

Mean ± standard error over seeds; in brackets the difference to the baseline, paired by seed,
and its 95% interval.
"""


def keep(name: str, runs: list[Path]) -> None:
    """Copy what tables are made of from run folders, one file a seed."""
    kept = defaultdict(list)
    for folder in runs:
        for line in (folder / "results.jsonl").read_text().splitlines():
            row = json.loads(line)
            kind = row["metric"].partition("/")[0]
            if row["combination"] == "" or (row["split"] == "test" and kind in KEPT):
                kept[row["seed"]].append(line + "\n")
    (RESULTS / name).mkdir(parents=True, exist_ok=True)
    for seed, lines in kept.items():
        (RESULTS / name / f"seed{seed}.jsonl").write_text("".join(lines))


def page() -> str:
    """Return the text of the page."""
    parts = [HEAD]
    for folder in sorted(path for path in RESULTS.iterdir() if path.is_dir()):
        parts.append((folder / "about.md").read_text().strip())
        for summary in summarise(
            read_runs(sorted(folder.glob("*.jsonl")), "test"), "test", "sf-md"
        ):
            parts.append(f"### {summary.dataset}, {summary.samples} test samples, percent")
            parts.append(markdown(main_table(summary)).strip())
            parts.append(markdown(cost_table(summary)).strip())
            if len(summary.combinations) <= 63:
                parts.append("Every combination (● seen, ○ missing):")
                parts.append(markdown(combination_table(summary, summary.combinations)).strip())
    return "\n\n".join(part.strip() for part in parts) + "\n"


def main() -> int:
    """Keep rows, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("page")
    keeping = verbs.add_parser("keep")
    keeping.add_argument("name")
    keeping.add_argument("runs", nargs="+", type=Path)
    args = parser.parse_args()
    if args.verb == "keep":
        keep(args.name, args.runs)
    else:
        PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
