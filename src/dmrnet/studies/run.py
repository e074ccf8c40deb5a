"""One run of a study: trained and evaluated, in a folder that is named by its content."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

from dmrnet.engine.config import QUIET, RunSettings
from dmrnet.engine.finished import evaluate_run, open_run
from dmrnet.engine.fit import fit
from dmrnet.engine.flags import flat
from dmrnet.engine.folder import RunFolder
from dmrnet.evaluation import measure_of
from dmrnet.studies.events import Done, Epoch, Message, Started

KEY_LENGTH = 8
"""Hexadecimal digits of a folder's key."""


def folder_of(settings: RunSettings, runs: Path) -> Path:
    """Return the folder of a run: its names for a reader, and a key of all that decides it."""
    decides = {key: value for key, value in flat(settings.to_dict()).items() if key not in QUIET}
    text = json.dumps(decides, sort_keys=True, default=str)
    key = hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]
    names = (settings.dataset, settings.method.name, settings.recipe, f"seed{settings.seed}", key)
    return runs / "-".join(names)


def make_run(settings: RunSettings, runs: Path, tell: Callable[[Message], None]) -> None:
    """Train a run where it is not finished, evaluate it where it is not evaluated.

    Args:
        settings: What decides it.
        runs: The folder of the study's runs.
        tell: Called with what happens, `Done` last.
    """
    folder = RunFolder(folder_of(settings, runs))
    tell(Started(str(folder.path)))
    begun = time.perf_counter()
    trained_from = [begun]
    fresh = fit(
        settings,
        folder.path,
        report=lambda p: tell(Epoch(p.epoch, p.epochs, p.loss, p.selection)),
        started=lambda *_: trained_from.append(time.perf_counter()),
    )
    trained = time.perf_counter()
    tested = "test" in folder.read_facts()["samples"]
    if tested and not any(row["split"] == "test" for row in folder.rows()):
        evaluate_run(open_run(folder.path))
    tell(
        Done(
            run=str(folder.path),
            fresh=fresh,
            seconds={
                "data": trained_from[-1] - begun,
                "train": trained - trained_from[-1],
                "evaluate": time.perf_counter() - trained,
            },
            score=average(folder, measure_of(settings.data).name),
            tested=tested,
        )
    )


def average(folder: RunFolder, metric: str = "accuracy") -> float | None:
    """Return the mean of a metric over combinations on validation."""
    rates = [
        float(row["value"])
        for row in folder.rows()
        if row["split"] == "val" and row["metric"] == metric and row["value"] is not None
    ]
    return sum(rates) / len(rates) if rates else None
