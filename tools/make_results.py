"""Write docs/results.md from the result rows under results/.

Each folder there is one experiment: ``about.md`` (what was run, by which command, what it shows)
and ``*.jsonl`` (its result rows). Keep an experiment's rows with::

    python tools/make_results.py keep NAME RUN [RUN ...]

or, where they are those of a study, with its own words behind ``--``::

    python tools/make_results.py study NAME -- table3 --data digits=prepared --out runs/digits

then write ``results/NAME/about.md``, for a study ``results/NAME/STUDY.md`` too, and rewrite the
page with::

    python tools/make_results.py page
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from dmrnet.report.pages.analysis_blocks import analysis_blocks
from dmrnet.report.pages.difference_table import difference_table
from dmrnet.report.pages.markdown import markdown_table
from dmrnet.report.pages.table import Cell, Table, best_of, score_cell
from dmrnet.report.pages.tables import combination_table, cost_table, main_table
from dmrnet.report.records.combinations import members
from dmrnet.report.records.runs import read_runs
from dmrnet.report.statistics.estimates import average
from dmrnet.report.summary.summary import DataSummary, summarise

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
PAGE = ROOT / "docs" / "results.md"
LENGTH = "epochs-"
"""What the names of studies begin with that differ in the length of training alone."""

KEPT = ("accuracy", "acer", "miou", "iou")
"""Metrics of combinations that tables are made from."""

MOST_TRIED = 9
"""Columns of settings that were tried, side by side."""

MOST_NUMBERS = 320
"""Of more numbers than these a table of every combination is too wide for the page."""

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


def keep_study(name: str, words: list[str]) -> None:
    """Copy the finished runs of a study, a folder each, and write down which system each is of.

    Runs that several studies of one name share are kept once. Of a search, all that it tried is
    written down.
    """
    from dmrnet.cli.study.command import arguments, with_methods
    from dmrnet.cli.study.data import with_data
    from dmrnet.studies.form import read_study
    from dmrnet.studies.plan import plan
    from dmrnet.studies.resolve import resolve
    from dmrnet.studies.search.tuning import best, read_trials, tuned
    from dmrnet.studies.shipped import find_study

    path = find_study(words[0])
    args, more = arguments().parse_known_args(words[1:])
    study, flags = with_data(read_study(path), args.data, args.root, list(more))
    if args.methods is not None:
        study = with_methods(study, args.methods)
    planned = plan(study, (*flags, "--threads", str(args.threads)))
    trials = []
    if study.search is not None:
        written = Path(args.out) / "search" / "trials.jsonl"
        if not written.is_file():
            raise FileNotFoundError(f"{written} is not there: the search is not finished")
        trials = read_trials(written)
        planned = tuned(planned, best(trials), study.seeds)
    members = [m for m in resolve(planned, Path(args.out) / "runs") if m.finished]
    for member in members:
        to = RESULTS / name / "runs" / member.folder.name
        to.mkdir(parents=True, exist_ok=True)
        for file in ("results.jsonl", "analyses.jsonl"):
            if (member.folder / file).is_file():
                lines = (member.folder / file).read_text().splitlines()
                kept = [line + "\n" for line in lines if _wanted(json.loads(line))]
                (to / file).write_text("".join(kept))
    systems = [{k: v for k, v in asdict(s).items() if k != "argv"} for s in planned.systems]
    told = {
        "title": study.title,
        "command": "dmrnet study " + shlex.join(words),
        "printed": list(study.printed),
        "analyses": list(study.analyses),
        "baseline": study.baseline or study.methods[0].method,
        "systems": systems,
        "runs": {member.folder.name: member.system for member in members},
    }
    if study.search is not None:
        told["search"] = {
            "seeds": list(study.search.seeds),
            "trials": [{k: v for k, v in asdict(t).items() if k != "system"} for t in trials],
        }
    (RESULTS / name / f"{path.stem}.json").write_text(json.dumps(told, indent=1) + "\n")


def _wanted(row: dict[str, object]) -> bool:
    if "analysis" in row:
        # By class they are many, and no table here shows them.
        return "/" not in str(row["metric"])
    metric = str(row["metric"])
    # Of validation what says how far a training came, and not each class.
    kept = metric.partition("/")[0] if row["split"] == "test" else metric
    return row["combination"] == "" or kept in KEPT


def page() -> str:
    """Return the text of the page."""
    parts = [HEAD]
    for folder in sorted(path for path in RESULTS.iterdir() if path.is_dir()):
        parts.append((folder / "about.md").read_text())
        studies = sorted(folder.glob("*.json"))
        parts += _by_length([path for path in studies if path.stem.startswith(LENGTH)])
        for path in studies:
            parts += _study(path)
        if not studies:
            for summary in _summaries(sorted(folder.glob("*.jsonl")), "sf-md"):
                parts += _tables(summary)
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _summaries(paths: list[Path], baseline: str) -> tuple[DataSummary, ...]:
    return summarise(read_runs(paths, "test"), "test", baseline)


def _tables(summary: DataSummary) -> Iterator[str]:
    """Every table of one data set."""
    yield f"### {summary.dataset}, {summary.samples} test samples, percent"
    yield markdown_table(main_table(summary))
    if any(item.equal and not item.equal.is_baseline for item in summary.systems):
        yield "Differences, and to the baseline trained about as long:"
        yield markdown_table(difference_table(summary))
    yield markdown_table(cost_table(summary))
    many = len(summary.combinations) * len(summary.systems) > MOST_NUMBERS
    if many:
        yield "Average over the combinations of so many modalities:"
        yield markdown_table(size_table(summary))
        yield "<details><summary>Every combination</summary>"
    if len(summary.combinations) <= 63:
        yield "Every combination (● seen, ○ missing):"
        yield markdown_table(combination_table(summary, summary.combinations))
    if many:
        yield "</details>"


def size_table(summary: DataSummary) -> Table:
    """One row a system: the average over the compared combinations of each size."""
    sizes: dict[int, list[str]] = {}
    for name in summary.compared:
        sizes.setdefault(len(members(name)), []).append(name)
    columns = {
        size: [average([i.scores[n] for n in names if n in i.scores]) for i in summary.systems]
        for size, names in sorted(sizes.items())
    }
    best = {size: best_of(summary, scores) for size, scores in columns.items()}
    rows = [
        (Cell(item.label), *(score_cell(columns[n][k], best[n], digits=1) for n in columns))
        for k, item in enumerate(summary.systems)
    ]
    return Table(("System", *(f"{size} seen" for size in columns)), tuple(rows))


def _study(path: Path) -> Iterator[str]:
    """What a study found: in its table's form where the paper prints one, and its analyses."""
    from dmrnet.cli.study.end import EXPLAINED
    from dmrnet.studies.plan import StudySystem
    from dmrnet.studies.printed import find_printed, read_printed
    from dmrnet.studies.printed_tables import overview, systems_by_label, tables_of

    study = json.loads(path.read_text())
    yield f"### {study['title']}"
    yield f"`{study['command']}`"
    text = path.with_suffix(".md")
    if text.is_file():
        yield text.read_text()
    if "search" in study:
        yield from _tried(study["search"]["trials"], study["search"]["seeds"])
    owners = {path.parent / "runs" / run: system for run, system in study["runs"].items()}
    systems = [
        StudySystem(**{**s, "values": tuple(map(tuple, s["values"])), "argv": ()})
        for s in study["systems"]
    ]
    printed = tables_of([r for name in study["printed"] for r in read_printed(find_printed(name))])
    for summary in _summaries(list(owners), study["baseline"]) if owners else ():
        if printed:
            yield EXPLAINED
            yield markdown_table(
                overview(summary, printed, systems_by_label(summary, owners, systems))
            )
        if not study["analyses"] or printed:
            yield from _tables(summary)
        for block in analysis_blocks(summary, path.stem):
            if block.kind in study["analyses"]:
                yield f"#### {summary.dataset}: {block.title}"
                yield markdown_table(block.table)
                yield block.reading


def _by_length(paths: list[Path]) -> Iterator[str]:
    """Averages by length of training, gains over the length before, and the epochs kept."""
    if len(paths) < 2:
        return
    # By split, system, length and seed.
    found: Scores = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))
    kept: dict[str, dict[int, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    for path in paths:
        study = json.loads(path.read_text())
        for run, system in study["runs"].items():
            lines = (path.parent / "runs" / run / "results.jsonl").read_text().splitlines()
            rows = [json.loads(line) for line in lines]
            name, length = study["systems"][system]["name"], int(path.stem[len(LENGTH) :])
            seed = rows[0]["seed"]
            for split in ("val", "test"):
                values = [r["value"] for r in rows if r["split"] == split and r["metric"] in KEPT]
                found[split][name][length][seed] = 100 * mean(values)
            (kept[name][length][seed],) = [r["value"] for r in rows if r["metric"] == "best_epoch"]
    yield "### By length of training"
    lengths = sorted({length for mine in kept.values() for length in mine})
    head = [
        ["", *(f"{length} epochs" for length in lengths)],
        ["---", *["---:"] * len(lengths)],
    ]
    for split, told in (("val", "validation"), ("test", "test")):
        yield (
            f"Average over the combinations on {told}, percent; in brackets what it gained over "
            "the length before, seed by seed:"
        )
        yield _rows(
            head,
            (
                [name, *(_longer(mine, k, lengths) for k in range(len(lengths)))]
                for name, mine in found[split].items()
            ),
        )
    yield "Epoch with the best validation, whose weights were kept, seed by seed:"
    yield _rows(
        head,
        ([name, *(_epochs(mine, length) for length in lengths)] for name, mine in kept.items()),
    )


def _rows(head: list[list[str]], lines: Iterable[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [*head, *lines])


Scores = dict[str, dict[str, dict[int, dict[int, float]]]]


def _longer(scores: dict[int, dict[int, float]], place: int, lengths: list[int]) -> str:
    """Write the mean of one length, and its difference to the one before on the same seeds."""
    here = scores.get(lengths[place])
    if not here:
        return "–"
    before = scores.get(lengths[place - 1], {}) if place else {}
    gains = [here[seed] - before[seed] for seed in sorted(here.keys() & before.keys())]
    if not gains:
        return f"{mean(here.values()):.1f}"
    error = f" ± {stdev(gains) / len(gains) ** 0.5:.1f}" if len(gains) > 1 else ""
    few = "" if len(here) == len(before) else f", seed {', '.join(map(str, sorted(here)))} alone"
    return f"{mean(here.values()):.1f} ({mean(gains):+.1f}{error}{few})".replace("-", "−")


def _epochs(kept: dict[int, dict[int, int]], length: int) -> str:
    """Write the epochs of one length in the order of all seeds, a dash where one was not run."""
    seeds = sorted({seed for mine in kept.values() for seed in mine})
    return ", ".join(str(kept.get(length, {}).get(seed, "–")) for seed in seeds)


def _tried(trials: list[dict[str, Any]], seeds: list[int]) -> Iterator[str]:
    """What a search tried, the best of each system bold.

    A line a system, where all of them tried the same few settings; else a line a trial.
    """
    drawn = f"seed {seeds[0]}" if len(seeds) == 1 else f"mean of seeds {', '.join(map(str, seeds))}"
    yield f"Tried on validation (average over the combinations, percent; {drawn}):"
    scores: dict[str, dict[str, float | None]] = defaultdict(dict)
    for one in trials:
        told = " ".join(f"{name} {value}" for name, value in one["settings"].items())
        scores[one["label"]][told] = one["score"]
    cells = {label: _cells(mine) for label, mine in scores.items()}
    columns = sorted({told for mine in scores.values() for told in mine}, key=_by_number)
    if len(columns) <= MOST_TRIED and all(len(mine) == len(columns) for mine in scores.values()):
        lines = [["", *columns], ["---", *["---:"] * len(columns)]]
        lines += [[label, *(mine[told] for told in columns)] for label, mine in cells.items()]
    else:
        lines = [["", "tried", "validation"], ["---", "---", "---:"]]
        lines += [
            [label, told, cell] for label, mine in cells.items() for told, cell in mine.items()
        ]
    yield _rows([], lines)


def _cells(scores: dict[str, float | None]) -> dict[str, str]:
    """Write the scores of one system by what was tried, the one that a study takes bold."""
    known = {told: s for told, s in scores.items() if s is not None and math.isfinite(s)}
    best = max(known, key=lambda told: known[told], default=None)
    cells = {told: f"{100 * known[told]:.1f}" if told in known else "failed" for told in scores}
    return {told: f"**{cell}**" if told == best else cell for told, cell in cells.items()}


def _by_number(told: str) -> list[tuple[float, str]]:
    """Return a key that sorts the numbers in a text by their size."""
    key = []
    for word in told.split():
        try:
            key.append((float(word), ""))
        except ValueError:
            key.append((0.0, word))
    return key


def main() -> int:
    """Keep rows, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("page")
    keeping = verbs.add_parser("keep")
    keeping.add_argument("name")
    keeping.add_argument("runs", nargs="+", type=Path)
    of_study = verbs.add_parser("study")
    of_study.add_argument("name")
    of_study.add_argument("words", nargs="+", help="those of dmrnet study, behind --")
    args = parser.parse_args()
    if args.verb == "keep":
        keep(args.name, args.runs)
    elif args.verb == "study":
        keep_study(args.name, args.words)
    else:
        PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
