"""A line for each data set: sizes, logistic regression on each modality and on all, cost.

``python tools/data_table.py FOLDER [FOLDER ...]`` reads folders of run folders: those that
``tools/baselines.py --methods logistic-late logistic-imputed`` makes and a default run of ``sf-md``
for each data set, on a CPU. Accuracies are means over the seeds found, on test, in percent.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean

from dmrnet.report import read_runs
from dmrnet.report.records.runs import RunRecord
from dmrnet.storage import read_json

HEAD = (
    "data",
    "train, val, test",
    "classes",
    "one modality",
    "all, late fusion",
    "all, one model",
    "CPU s",
)


def accuracy(runs: Iterable[RunRecord], method: str, combination: str) -> str:
    """Return a method's mean accuracy under a combination, in percent."""
    values = [
        row.value
        for run in runs
        for row in run.rows
        if (row.method, row.split, row.metric) == (method, "test", "accuracy")
        and row.combination == combination
        and row.value is not None
    ]
    return f"{100 * fmean(values):.1f}" if values else "–"


def cost(runs: Iterable[RunRecord]) -> str:
    """Return the CPU seconds of a training of ``sf-md``."""
    values = [
        row.value
        for run in runs
        for row in run.rows
        if (row.method, row.split, row.metric) == ("sf-md", "val", "train_cpu_seconds")
        and row.value is not None
    ]
    return f"{fmean(values):.1f}" if values else "–"


def line(runs: list[RunRecord]) -> tuple[str, ...]:
    """Return the cells of a data set."""
    facts = next(read_json(run.path / "run.json") for run in runs if run.rows[0].method == "sf-md")
    names = facts["modalities"]
    return (
        f"`{runs[0].rows[0].dataset}`",
        ", ".join(str(facts["samples"][role]) for role in ("train", "val", "test")),
        str(len(facts["classes"])),
        ", ".join(f"{name} {accuracy(runs, 'logistic-late', name)}" for name in names),
        *(accuracy(runs, f"logistic-{kind}", "+".join(names)) for kind in ("late", "imputed")),
        cost(runs),
    )


def main() -> None:
    """Print the table."""
    by_data: dict[str, list[RunRecord]] = {}
    for run in read_runs([Path(word) for word in sys.argv[1:]], "test"):
        by_data.setdefault(run.rows[0].dataset, []).append(run)
    lines = [HEAD, ("---",) * len(HEAD), *(line(runs) for runs in by_data.values())]
    sys.stdout.writelines(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    main()
