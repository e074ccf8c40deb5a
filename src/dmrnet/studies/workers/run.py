"""One run of a study: trained and evaluated, in a folder that is named by its content."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from dmrnet.engine.finished import evaluate_run, open_run
from dmrnet.engine.fit import fit
from dmrnet.engine.folder import RunFolder
from dmrnet.evaluation import measure_of
from dmrnet.locking import BusyError, lock_folder
from dmrnet.settings.config import QUIET, RunSettings, read_config
from dmrnet.settings.files import flat
from dmrnet.settings.paths import absolute
from dmrnet.studies.workers.events import Done, Epoch, Held, Message, Started

PATIENCE = 2.0
"""Seconds that a run is waited for which another process makes, before another is taken up."""

KEY_LENGTH = 8
"""Hexadecimal digits of a folder's key."""


def folder_of(settings: RunSettings, runs: Path) -> Path:
    """Return the folder of a run: its names for a reader, and a key of all that decides it.

    What a run is stands in its ``config.yaml``; so a run that an earlier version made is found as
    long as it means the same, and one whose defaults meant something else is let be.
    """
    # As a run keeps them, whatever was typed and wherever.
    settings = replace(settings, data=absolute(settings.data))
    names = (settings.dataset, settings.method.name, settings.recipe, f"seed{settings.seed}")
    stem, wanted = "-".join(names), _decides(settings)
    place = runs / f"{stem}-{_key(_changed(settings))}"
    # Its own name first; a run of few settings has few neighbours.
    for found in (place, *sorted(runs.glob(f"{stem}-*"))):
        if _read(found) == wanted:
            return found
    taken = (place / "config.yaml").is_file() and _read(place) is not None
    return runs / f"{stem}-{_key(wanted)}" if taken else place


def _decides(settings: RunSettings) -> dict[str, Any]:
    return {key: value for key, value in flat(settings.to_dict()).items() if key not in QUIET}


def _changed(settings: RunSettings) -> dict[str, Any]:
    """Return what is not as the recipe, the trainer or the data set has it by default."""
    of_data = {
        f"data.{field.name}": getattr(settings.data, field.name)
        for field in fields(settings.data)
        if getattr(settings.data, field.name) != field.default
    }
    return {**settings.changed(), **of_data}


def _key(values: dict[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def _read(folder: Path) -> dict[str, Any] | None:
    """Return what decides the run of a folder; None where it holds none, or one not understood."""
    config = folder / "config.yaml"
    try:
        return _read_once(config, config.stat().st_mtime_ns)
    except (OSError, ValueError, TypeError):
        return None


@cache
def _read_once(config: Path, changed: int) -> dict[str, Any]:
    return _decides(read_config(config))


def is_finished(folder: RunFolder) -> bool:
    """Whether a run is trained, and tested where its data have a test set."""
    if not folder.trained:
        return False
    tested = any(row["split"] == "test" for row in folder.rows())
    return tested or "test" not in folder.read_facts()["samples"]


def make_run(
    settings: RunSettings, runs: Path, tell: Callable[[Message], None], test: bool = True
) -> None:
    """Train a run where it is not finished, evaluate it where it is not evaluated.

    Args:
        settings: What decides it.
        runs: The folder of the study's runs.
        tell: Called with what happens, `Done` or, where another process makes the run, `Held` last.
        test: Evaluate it on its test set, too.
    """
    folder = RunFolder(folder_of(settings, runs))
    tell(Started(str(folder.path)))
    try:
        with lock_folder(folder.path, PATIENCE):
            done = _made(settings, folder, tell, test)
    except BusyError as error:
        tell(Held(error.holder))
        return
    # The last word: who hears it may end this process.
    tell(done)


def _made(
    settings: RunSettings, folder: RunFolder, tell: Callable[[Message], None], test: bool
) -> Done:
    begun = time.perf_counter()
    trained_from = [begun]
    fresh = fit(
        settings,
        folder.path,
        report=lambda p: tell(Epoch(p.epoch, p.epochs, p.loss, p.selection)),
        started=lambda *_: trained_from.append(time.perf_counter()),
    )
    trained = time.perf_counter()
    tested = test and "test" in folder.read_facts()["samples"]
    if tested and not any(row["split"] == "test" for row in folder.rows()):
        evaluate_run(open_run(folder.path))
    return Done(
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


def average(folder: RunFolder, metric: str = "accuracy") -> float | None:
    """Return the mean of a metric over combinations on validation."""
    rates = [
        float(row["value"])
        for row in folder.rows()
        if row["split"] == "val" and row["metric"] == metric and row["value"] is not None
    ]
    return sum(rates) / len(rates) if rates else None
