"""Accuracy on a test set from which modalities are missing, the same ones for every system.

Runs keep what they predict for every test sample under every combination. So of a sample from which
a combination is left, what the run predicts for it stands in ``predictions.npz``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dmrnet.data.splits.missing import thinned
from dmrnet.data.splits.split import generator
from dmrnet.engine.run.folder import RunFolder
from dmrnet.modalities import name_of
from dmrnet.report.pages.tables.table import Cell, Table
from dmrnet.report.records.systems import System, labels_of, system
from dmrnet.report.statistics.estimates import Estimate, paired_difference
from dmrnet.report.statistics.formatting import difference, estimate, percent

METRIC = "accuracy_incomplete"
FILE = "incomplete.jsonl"


@dataclass(frozen=True)
class IncompleteScore:
    """Accuracy of a run on the incomplete test set.

    Attributes:
        dataset: Label of its data.
        system: Its system, without settings that were searched.
        seed: Its seed.
        accuracy: Share of the test samples that it predicts correctly.
        missing: Share of their modalities that are missing.
        samples: Their number.
    """

    dataset: str
    system: System
    seed: int
    accuracy: float
    missing: float
    samples: int

    def row(self) -> dict[str, Any]:
        """Return it as a row of results."""
        return {
            "method": self.system.method,
            "recipe": self.system.recipe,
            "settings": dict(self.system.settings),
            "dataset": self.dataset,
            "split": "test",
            "seed": self.seed,
            "combination": "",
            "metric": METRIC,
            "value": self.accuracy,
            "n": self.samples,
            "missing": self.missing,
        }


def incomplete_score(
    folder: Path, rate: float, without: Collection[str] = ()
) -> IncompleteScore | None:
    """Score a tested run on its test set without some modalities.

    What is missing is drawn by data set, seed and rate, so it is the same for every run of these.

    Args:
        folder: Folder of the run.
        rate: Probability that a modality is missing, given that one stays.
        without: Settings that do not name its system, as they were searched.

    Returns:
        The score; None if the run keeps no predictions, or predicts no single class.

    Raises:
        ValueError: If the rate cannot be reached with so few modalities.
    """
    run = RunFolder(folder)
    if not run.predictions.is_file():
        return None
    row = next(row for row in run.rows() if row["split"] == "test")
    names = tuple(run.read_facts()["modalities"])
    with np.load(run.predictions, allow_pickle=False) as kept:
        target, predicted = kept["target"], kept["predicted"]
        scored, index = kept["scored"], kept["index"]
        place = {name: k for k, name in enumerate(kept["combination"].tolist())}
    if predicted.shape != (len(place), len(target)) or predicted.dtype.kind not in "iu":
        return None
    alone = [place[name] for name in names]
    present = np.empty((len(target), len(names)), dtype=np.bool_)
    # In the order of the file, whatever that of the predictions.
    order = index.argsort(kind="stable")
    present[:] = scored[alone][:, order].T
    draw = generator(int(row["seed"]), "incomplete test", str(row["dataset"]), str(rate))
    what = "incomplete: expected a rate"
    left = thinned(torch.from_numpy(present), rate, draw, what)
    where = [place.get(name_of(mask, names), -1) for mask in left.tolist()]
    if min(where) < 0:
        return None
    right = predicted[where, order] == target[order]
    settings = {name: value for name, value in row["settings"].items() if name not in without}
    return IncompleteScore(
        str(row["dataset"]),
        system(row["method"], row["recipe"], settings),
        int(row["seed"]),
        float(right.mean()),
        1 - float(left.double().mean()),
        len(target),
    )


def incomplete_tables(
    scores: Sequence[IncompleteScore], baseline: str, names: Mapping[System, str]
) -> dict[str, Table]:
    """Return a table for each data set, the best system first, with differences to the baseline."""
    labels = labels_of(list(dict.fromkeys(one.system for one in scores)), names)
    tables = {}
    for data in dict.fromkeys(one.dataset for one in scores):
        by_seed: dict[str, dict[int, float]] = {}
        for one in scores:
            if one.dataset == data:
                by_seed.setdefault(labels[one.system], {})[one.seed] = one.accuracy
        estimates = {name: Estimate.of(values) for name, values in by_seed.items()}
        theirs = estimates.get(baseline)
        rows = []
        for name, mine in sorted(estimates.items(), key=lambda item: -item[1].mean):
            gain = None if theirs is None or name == baseline else paired_difference(mine, theirs)
            cells = (estimate(mine), difference(gain), str(len(mine.values)))
            rows.append((Cell(name), *map(Cell, cells)))
        header = ("System", "Accuracy, %", f"Better than {baseline} by", "Seeds")
        tables[data] = Table(header, tuple(rows))
    return tables


def show_share(scores: Sequence[IncompleteScore]) -> str:
    """Return what is missing, as text."""
    shares = [one.missing for one in scores]
    low, high = percent(min(shares), 0), percent(max(shares), 0)
    return f"{low} %" if low == high else f"{low} to {high} %"
