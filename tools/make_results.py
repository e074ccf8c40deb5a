"""Write docs/results/, a page an experiment, from the result rows under results/.

Each folder under results/ is one experiment. ``about.md`` is its hand-written summary: a title, the
result in one sentence, what was run and what it shows. ``details.md``, if there is one, says how
settings were chosen. ``*.jsonl`` are result rows. Keep an experiment's rows with::

    python tools/make_results.py keep NAME RUN [RUN ...]

or, if they are those of a study, with its own arguments after ``--``::

    python tools/make_results.py study NAME -- table3 --data digits=prepared --out runs/digits

then write ``results/NAME/about.md``, for a study ``results/NAME/STUDY.md`` too, and rewrite the
pages with::

    python tools/make_results.py pages
"""

from __future__ import annotations

import argparse
import json
import math
import re
import runpy
import shlex
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from html import escape
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from dmrnet.report.pages.markdown import markdown_table
from dmrnet.report.pages.tables.analyses import analysis_blocks
from dmrnet.report.pages.tables.differences import difference_table
from dmrnet.report.pages.tables.scores import combination_table, cost_table, main_table
from dmrnet.report.pages.tables.table import SEEN, UNSEEN, Cell, Table, best_of, score_cell
from dmrnet.report.records.combinations import members
from dmrnet.report.records.runs import read_runs
from dmrnet.report.statistics.estimates import average
from dmrnet.report.summary.summary import DataSummary, summarise

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
PAGES = ROOT / "docs" / "results"
LENGTH = "epochs-"
"""Start of the names of studies that differ only in the length of training."""

KEPT = ("accuracy", "acer", "miou", "iou")
"""Metrics of combinations that are kept for tables."""

MOST_TRIED = 9
"""Largest number of columns for tried settings."""

MOST_NUMBERS = 320
"""Above this number of values, the table of every combination comes after one by size."""

MAKERS = {"defaults": "defaults.py", "winner": "winner_page.py", "peers": "peers.py"}
"""Tools that make the page of a folder."""

HEAD = """# Results

One page an experiment: a summary, then its tables, folded. Tables are made from the rows under
`results/` by `python tools/make_results.py pages`; summaries are written by hand.

In the tables: mean ± standard error over seeds; in brackets the difference to the baseline, paired
by seed, and its 95% interval. [Gallery](../gallery.md) has the figures, each with its command.

| experiment | result |
| --- | --- |
"""


def keep(name: str, runs: list[Path]) -> None:
    """Copy the rows that tables need from run folders, one file a seed."""
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
    """Copy the finished runs of a study, a folder each, and record the system of each.

    Runs that several studies of one experiment share are kept once. All trials of a search are
    recorded.
    """
    study, planned, trials, out, path = planned_study(words)
    from dmrnet.studies.resolve import resolve

    members = [m for m in resolve(planned, out / "runs") if m.finished]
    for member in members:
        to = RESULTS / name / "runs" / member.folder.name
        to.mkdir(parents=True, exist_ok=True)
        for file in ("results.jsonl", "analyses.jsonl"):
            if (member.folder / file).is_file():
                lines = (member.folder / file).read_text().splitlines()
                kept = [line + "\n" for line in lines if _wanted(json.loads(line))]
                (to / file).write_text("".join(kept))
    record = study_record(study, planned, trials, words)
    record["runs"] = {member.folder.name: member.system for member in members}
    (RESULTS / name / f"{path.stem}.json").write_text(json.dumps(record, indent=1) + "\n")


def planned_study(words: list[str]) -> tuple[Any, ...]:
    """Return a study, the plan of its own runs, its trials, its folder and its file.

    Args:
        words: Arguments of ``dmrnet study``.
    """
    from kept_trials import trials_of

    from dmrnet.cli.study.command import arguments, with_methods
    from dmrnet.cli.study.data import with_data
    from dmrnet.settings.flags import read_flags
    from dmrnet.studies.form import read_study
    from dmrnet.studies.plan import plan
    from dmrnet.studies.resolve import scores_of
    from dmrnet.studies.search.tuning import best, tuned
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
            raise FileNotFoundError(f"expected {written}, found none: the search is not finished")
        fixed = [setting for setting, _ in read_flags(flags)]
        runs = written.with_name("runs")
        trials = trials_of(
            written, planned, study.search, fixed, lambda jobs: scores_of(jobs, runs)
        )
        planned = tuned(planned, best(trials))
    return study, planned, trials, Path(args.out), path


def study_record(study: Any, planned: Any, trials: list[Any], words: list[str]) -> dict[str, Any]:  # noqa: ANN401
    """Return what pages say of a study, as JSON."""
    systems = [
        {k: v for k, v in asdict(s).items() if k not in ("argv", "seeds")} for s in planned.systems
    ]
    record = {
        "title": study.title,
        "command": "dmrnet study " + shlex.join(words),
        "printed": list(study.printed),
        "analyses": list(study.analyses),
        "baseline": study.baseline or study.methods[0].method,
        "systems": systems,
    }
    if study.search is not None:
        record["search"] = {
            "seeds": list(study.search.seeds),
            "trials": [asdict(trial) for trial in trials],
        }
    return record


def _wanted(row: dict[str, object]) -> bool:
    metric = str(row["metric"])
    if "analysis" in row:
        # No table shows the many rows by class.
        return "/" not in metric
    # Validation rows show how far a training came, but not those of each class.
    kind = metric.partition("/")[0] if row["split"] == "test" else metric
    return row["combination"] == "" or kind in KEPT


def pages() -> dict[str, str]:
    """Return the text of every page by file name."""
    texts, index, names = {}, HEAD, []
    for folder in sorted(path for path in RESULTS.iterdir() if path.is_dir()):
        maker = MAKERS.get(folder.name)
        page = _made(folder, maker) if maker else _page(folder, (folder / "about.md").read_text())
        title, result = re.match(r"# (.*)\n\n((?:.+\n)+)", page).groups()
        index += f"| [{title}]({folder.name}.md) | {' '.join(result.split())} |\n"
        names.append(folder.name)
        texts[f"{folder.name}.md"] = page
    toctree = "\n".join(names)
    texts["index.md"] = f"{index}\n```{{toctree}}\n:hidden:\n\n{toctree}\n```\n"
    return texts


def _made(folder: Path, maker: str) -> str:
    """Return the page of a study that another tool makes from its rows alone."""
    made = runpy.run_path(str(Path(__file__).with_name(maker)))
    page: str = made["page"](folder)
    return page


def _page(folder: Path, about: str) -> str:
    parts = [about]
    studies = sorted(folder.glob("*.json"))
    parts += _by_length([path for path in studies if path.stem.startswith(LENGTH)])
    for path in studies:
        parts += _study(path)
    if not studies:
        parts.append("## Tables")
        for summary in _summaries(sorted(folder.glob("*.jsonl")), "sf-md"):
            parts += _tables(summary)
    details = folder / "details.md"
    if details.is_file():
        parts += ["## Details", details.read_text()]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _fold(title: str, *parts: str) -> str:
    """Return parts of a page that open on a click."""
    inside = "\n\n".join(part.strip() for part in parts)
    return f"<details><summary>{escape(title)}</summary>\n\n{inside}\n\n</details>"


def _summaries(paths: list[Path], baseline: str) -> tuple[DataSummary, ...]:
    return summarise(read_runs(paths, "test"), "test", baseline)


def _tables(summary: DataSummary) -> Iterator[str]:
    """Yield every table of one data set, folded."""
    scores = [markdown_table(main_table(summary))]
    if any(item.equal and not item.equal.is_baseline for item in summary.systems):
        scores += [
            "Differences to the baseline, and to the baseline trained about as long:",
            markdown_table(difference_table(summary)),
        ]
    yield _fold(f"{summary.dataset}: scores on {summary.samples} test samples, percent", *scores)
    every = []
    if len(summary.combinations) * len(summary.systems) > MOST_NUMBERS:
        every = ["Average by number of modalities seen:", markdown_table(size_table(summary))]
    if len(summary.combinations) <= 63:
        every += [
            f"{SEEN} seen, {UNSEEN} missing:",
            markdown_table(combination_table(summary, summary.combinations)),
        ]
    yield _fold(f"{summary.dataset}: every combination, percent", *every)
    yield _fold(f"{summary.dataset}: cost", markdown_table(cost_table(summary)))


def size_table(summary: DataSummary) -> Table:
    """One row per system: the average over the compared combinations of each size."""
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
    """Yield a study's tables, next to the paper's numbers if it prints any, and its analyses."""
    from dmrnet.cli.study.end import EXPLAINED
    from dmrnet.studies.plan import StudySystem
    from dmrnet.studies.printed import find_printed, read_printed
    from dmrnet.studies.printed_tables import overview, systems_by_label, tables_of

    study = json.loads(path.read_text())
    yield f"## {study['title']}"
    yield f"`{study['command']}`"
    text = path.with_suffix(".md")
    if text.is_file():
        yield text.read_text()
    if "search" in study:
        yield from _tried(study["search"]["trials"], study["search"]["seeds"])
    owners = {path.parent / "runs" / run: system for run, system in study["runs"].items()}
    systems = [
        StudySystem(**{**s, "values": tuple(map(tuple, s["values"])), "argv": (), "seeds": ()})
        for s in study["systems"]
    ]
    printed = tables_of([r for name in study["printed"] for r in read_printed(find_printed(name))])
    for summary in _summaries(list(owners), study["baseline"]) if owners else ():
        if printed:
            by_label = systems_by_label(summary, owners, systems)
            table = markdown_table(overview(summary, printed, by_label))
            yield _fold(f"{summary.dataset}: as printed and as measured", EXPLAINED, table)
        if not study["analyses"] or printed:
            yield from _tables(summary)
        for block in analysis_blocks(summary, path.stem):
            if block.kind in study["analyses"]:
                title = f"{summary.dataset}: {block.title}"
                yield _fold(title, markdown_table(block.table), block.reading)


def _by_length(paths: list[Path]) -> Iterator[str]:
    """Yield averages by length of training, gains over the length before, and epochs kept."""
    if len(paths) < 2:
        return
    # By split, system, length and seed.
    scores: Scores = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))
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
                scores[split][name][length][seed] = 100 * mean(values)
            (kept[name][length][seed],) = [r["value"] for r in rows if r["metric"] == "best_epoch"]
    yield "## By length of training"
    lengths = sorted({length for mine in kept.values() for length in mine})
    head = [
        ["", *(f"{length} epochs" for length in lengths)],
        ["---", *["---:"] * len(lengths)],
    ]
    for split, words in (("val", "validation"), ("test", "test")):
        lines = (
            [name, *(_longer(mine, k, lengths) for k in range(len(lengths)))]
            for name, mine in scores[split].items()
        )
        yield _fold(
            f"Average over the combinations on {words}, percent",
            "In brackets the gain over the length before, paired by seed:",
            _rows(head, lines),
        )
    yield _fold(
        "Epoch with the best validation, whose weights were kept, by seed",
        _rows(
            head,
            ([name, *(_epochs(mine, length) for length in lengths)] for name, mine in kept.items()),
        ),
    )


def _rows(head: list[list[str]], lines: Iterable[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [*head, *lines])


Scores = dict[str, dict[str, dict[int, dict[int, float]]]]


def _longer(scores: dict[int, dict[int, float]], index: int, lengths: list[int]) -> str:
    """Return the mean of one length, and its difference to the one before on the same seeds."""
    now = scores.get(lengths[index])
    if not now:
        return "–"
    before = scores.get(lengths[index - 1], {}) if index else {}
    gains = [now[seed] - before[seed] for seed in sorted(now.keys() & before.keys())]
    if not gains:
        return f"{mean(now.values()):.1f}"
    error = f" ± {stdev(gains) / len(gains) ** 0.5:.1f}" if len(gains) > 1 else ""
    few = "" if len(now) == len(before) else f", only seed {', '.join(map(str, sorted(now)))}"
    return f"{mean(now.values()):.1f} ({mean(gains):+.1f}{error}{few})".replace("-", "−")


def _epochs(kept: dict[int, dict[int, int]], length: int) -> str:
    """Return the epochs of one length in the order of all seeds, a dash for a seed without run."""
    seeds = sorted({seed for mine in kept.values() for seed in mine})
    return ", ".join(str(kept.get(length, {}).get(seed, "–")) for seed in seeds)


def _tried(trials: list[dict[str, Any]], seeds: list[int]) -> Iterator[str]:
    """Yield the trials of a search, the best of each system bold.

    One row per system if all of them tried the same few settings, else one row per trial.
    """
    of_seeds = f"seed {seeds[0]}"
    if len(seeds) > 1:
        of_seeds = f"mean of seeds {', '.join(map(str, seeds))}"
    scores: dict[str, dict[str, float | None]] = defaultdict(dict)
    for one in trials:
        settings = " ".join(f"{name} {value}" for name, value in one["settings"].items())
        scores[one["label"]][settings] = one["score"]
    cells = {label: _cells(mine) for label, mine in scores.items()}
    columns = sorted({text for mine in scores.values() for text in mine}, key=_by_number)
    if len(columns) <= MOST_TRIED and all(len(mine) == len(columns) for mine in scores.values()):
        lines = [["", *columns], ["---", *["---:"] * len(columns)]]
        lines += [[label, *(mine[text] for text in columns)] for label, mine in cells.items()]
    else:
        lines = [["", "tried", "validation"], ["---", "---", "---:"]]
        lines += [
            [label, text, cell] for label, mine in cells.items() for text, cell in mine.items()
        ]
    title = f"Tried on validation: average over the combinations, percent; {of_seeds}"
    yield _fold(title, _rows([], lines))


def _cells(scores: dict[str, float | None]) -> dict[str, str]:
    """Return the scores of one system by what was tried, the one that a study uses bold."""
    known = {text: s for text, s in scores.items() if s is not None and math.isfinite(s)}
    best = max(known, key=lambda text: known[text], default=None)
    cells = {text: f"{100 * known[text]:.1f}" if text in known else "failed" for text in scores}
    return {text: f"**{cell}**" if text == best else cell for text, cell in cells.items()}


def _by_number(text: str) -> list[tuple[float, str]]:
    """Return a key that sorts the numbers in a text by their size."""
    key = []
    for word in text.split():
        try:
            key.append((float(word), ""))
        except ValueError:
            key.append((0.0, word))
    return key


def main() -> int:
    """Keep rows, or write the pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("pages")
    keeping = verbs.add_parser("keep")
    keeping.add_argument("name")
    keeping.add_argument("runs", nargs="+", type=Path)
    of_study = verbs.add_parser("study")
    of_study.add_argument("name")
    of_study.add_argument("words", nargs="+", help="arguments of dmrnet study, after --")
    args = parser.parse_args()
    if args.verb == "keep":
        keep(args.name, args.runs)
    elif args.verb == "study":
        keep_study(args.name, args.words)
    else:
        PAGES.mkdir(exist_ok=True)
        made = pages()
        for name, text in made.items():
            (PAGES / name).write_text(text)
        quotes = runpy.run_path(str(Path(__file__).with_name("quotes.py")))
        for path, text in quotes["quoted"](made).items():
            path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
