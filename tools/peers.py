"""Keep the rows of ``dmrnet study peers``, and write its page from them.

Keep what is finished, whole study or not::

    python tools/peers.py --out runs/peers

Rows go to ``results/peers/rows``, one file per data set; ``python tools/make_results.py pages``
then writes ``docs/results/peers.md``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dmrnet.report.pages.markdown import markdown_table
from dmrnet.report.pages.tables.table import Cell, Table
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.statistics.estimates import Estimate, paired_difference
from dmrnet.report.statistics.inference import interval
from dmrnet.studies.incomplete import METRIC, incomplete_score

NAME = "peers"
ROOT = Path(__file__).parents[1]
OWN = ("sf-md", "experts", "dmrnet")
COST = "train_cpu_seconds"
RATE = 0.3
COLUMNS = ("method", "dataset", "split", "seed", "combination", "metric", "value", "n", "missing")
FEWEST = 3
"""Fewest seeds of a system on a set that is counted."""

ABOUT = """
```bash
dmrnet study peers --root prepared --workers 2 --out runs/peers
python tools/peers.py --out runs/peers
python tools/make_results.py pages
```

All systems have the same rows, splits and masks. Each modality is missing from a training or
validation row with a probability of 30 %; one always stays. *30 % missing*: accuracy on the test
set when each row lacks modalities with the same probability, drawn once a seed, the same for
every system. *Average* and *worst*: over every combination of modalities, on all test rows.
Differences are to `sf-md`, in points, paired by seed, with their 95 % interval over seeds.

Nothing is searched: networks have their default learning rate and length (width 64), the
classifiers their libraries' defaults, but for the strength of a logistic regression's penalty and
the epoch of iMML's, which validation chooses. `boosting-masked` and `logistic-imputed` are
trained on four copies of the training rows with random masks, `boosting` reads NaN. `imml-muse`
and `imml-m3care` get modalities as vectors, zeros (means) in place of what is missing, and up to
100 epochs or 1,000 steps of Adam. Boosting is left out where it would take many minutes (`mfeat`,
`digits`), and iMML's, which read vectors, above 1,000 numbers a row. CPU times were taken beside
other work: they compare only with each other.
"""

Scores = Mapping[str, Estimate]
"""Numbers of one data set by headline: `METRIC`, average, worst, full, `COST`."""


def keep(out: Path, folder: Path) -> None:
    """Copy the test rows of finished runs, one file per data set, with the incomplete scores."""
    found: dict[str, list[dict[str, Any]]] = {}
    paths = sorted([*out.glob("runs/*/results.jsonl"), *out.glob("peers/*/results.jsonl")])
    for path in paths:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        if not any(row["split"] == "test" for row in rows):
            continue
        score = incomplete_score(path.parent, RATE)
        if score is None:
            raise ValueError(f"{path.parent}: expected predictions of single classes, got none")
        rows.append({**score.row(), "run": rows[0]["run"]})
        kept = [
            row
            for row in rows
            if row["metric"] in (METRIC, COST)
            or (row["split"] == "test" and row["metric"] == "accuracy")
        ]
        slim = [{k: v for k, v in row.items() if k in COLUMNS} for row in kept]
        found.setdefault(rows[0]["dataset"], []).extend(slim)
    for path in folder.glob("rows/*.jsonl"):
        path.unlink()
    (folder / "rows").mkdir(parents=True, exist_ok=True)
    for data, rows in found.items():
        lines = (json.dumps(row) + "\n" for row in rows)
        (folder / "rows" / f"{data.partition(' ')[0]}.jsonl").write_text("".join(lines))


def scores_of(path: Path) -> tuple[str, dict[str, Scores]]:
    """Return the label of a data set, and the numbers of its systems, from a file of rows."""
    numbers: dict[str, dict[str, dict[int, list[float]]]] = {}
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    names = max((row["combination"] for row in rows), key=lambda name: name.count("+"))
    for row in rows:
        of = numbers.setdefault(row["method"], {})
        head = [row["metric"]]
        if row["metric"] == "accuracy":
            head = ["all", *(["full"] if row["combination"] == names else [])]
        for name in head:
            of.setdefault(name, {}).setdefault(row["seed"], []).append(row["value"])
    systems = {}
    for method, of in numbers.items():
        every = of.pop("all")
        by_seed = {name: {s: v[0] for s, v in values.items()} for name, values in of.items()}
        by_seed["average"] = {seed: sum(v) / len(v) for seed, v in every.items()}
        by_seed["worst"] = {seed: min(v) for seed, v in every.items()}
        systems[method] = {name: Estimate.of(values) for name, values in by_seed.items()}
    return rows[0]["dataset"], systems


def table(systems: Mapping[str, Scores]) -> Table:
    """Return the table of a data set: the best on incomplete data first."""
    theirs = systems.get("sf-md")
    rows = []
    for name, of in sorted(systems.items(), key=lambda item: -item[1][METRIC].mean):
        cells = [Cell(f"**{name}**" if name in OWN else name), Cell(str(len(of[METRIC].seeds)))]
        for head in (METRIC, "average", "worst", "full"):
            text = fmt.estimate(of[head], 1)
            gain = None if theirs is None else paired_difference(of[head], theirs[head])
            # The difference to the baseline, with its interval, of the two most informative ones.
            if head in (METRIC, "average") and name != "sf-md" and gain is not None:
                text += f" ({fmt.difference(gain, 1)})"
            cells.append(Cell(text))
        rows.append((*cells, Cell(fmt.duration(of[COST].mean))))
    heads = ("30 % missing", "Average of combinations", "Worst", "All modalities", "CPU time")
    return Table(("System", "Seeds", *heads), tuple(rows))


def compared(systems: Mapping[str, Scores], head: str) -> tuple[str, str, Estimate] | None:
    """Return the best own system, the best other one, and the difference, over shared seeds."""
    counted = {k: v for k, v in systems.items() if len(v[head].seeds) >= FEWEST}
    own = [name for name in counted if name in OWN]
    others = [name for name in counted if name not in OWN]
    if not own or not others:
        return None
    mine, theirs = (max(names, key=lambda n: counted[n][head].mean) for names in (own, others))
    gain = paired_difference(counted[mine][head], counted[theirs][head])
    return None if gain is None else (mine, theirs, gain)


def sentences(results: Mapping[str, dict[str, Scores]]) -> Iterator[str]:
    """Yield what the rows say: wins, losses and draws, against the best of the others."""
    heads = {METRIC: "With 30 % missing in the test", "average": "Average of all combinations"}
    for head, title in heads.items():
        said: dict[str, list[str]] = {"ahead": [], "behind": [], "level": []}
        for data, systems in results.items():
            found = compared(systems, head)
            if found is None:
                continue
            mine, theirs, gain = found
            ends = interval(gain)
            kind = "level"
            if ends is not None and not ends[0] <= 0 <= ends[1]:
                kind = "ahead" if gain.mean > 0 else "behind"
            said[kind].append(f"{data} (`{mine}` against `{theirs}` {fmt.difference(gain, 1)})")
        words = {
            "ahead": "ahead beyond chance on",
            "behind": "behind beyond chance on",
            "level": "not told apart on",
        }
        parts = [f"{words[kind]} {', '.join(sets)}" for kind, sets in said.items() if sets]
        if parts:
            what = "the best of ours against the best of the others"
            yield f"- **{title}**, {what}: {'; '.join(parts)}."


def seeds_of(systems: Mapping[str, Scores]) -> int:
    """Return the number of seeds that the baseline has on a data set."""
    return len(systems["sf-md"][METRIC].seeds) if "sf-md" in systems else 0


def page(folder: Path) -> str:
    """Return the page of the study, from the rows alone."""
    read = dict(scores_of(path) for path in sorted(folder.glob("rows/*.jsonl")))
    results = {
        data: {name: scores for name, scores in of.items() if len(scores[METRIC].seeds) >= FEWEST}
        for data, of in read.items()
        if seeds_of(of) >= FEWEST
    }
    shown = {data.partition(" ")[0]: systems for data, systems in results.items()}
    lines = [*sentences(shown)]
    seeds = sorted({seeds_of(systems) for systems in results.values()})
    number = " to ".join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))
    first = (
        "`sf-md`, `experts` and `dmrnet` next to classifiers of scikit-learn and iMML, on "
        f"{len(results)} of the study's 5 data sets, of which 30 % of the modalities are missing "
        f"in training, validation and test; {number} seeds."
    )
    for data, of in results.items():
        left = [f"`{name}`" for name in read[data] if name not in of]
        if left:
            first += f" Too few seeds yet on {data.partition(' ')[0]}: {', '.join(left)}."
    if len(results) < 5:
        first += " Interim: the other sets have too few seeds yet."
    parts = [
        "# Against what one would use instead",
        first,
        "\n".join(lines),
        ABOUT,
    ]
    for data, systems in results.items():
        parts += [f"## {data}", markdown_table(table(systems)).replace("\\*\\*", "**")]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def main() -> int:
    """Keep rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of dmrnet study peers")
    options = parser.parse_args()
    keep(options.out, ROOT / "results" / NAME)
    return 0


if __name__ == "__main__":
    sys.exit(main())
