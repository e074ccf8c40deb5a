"""Training and evaluation of one run of a study, in a folder named by its settings."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from dmrnet.engine.evaluate import evaluate_run
from dmrnet.engine.fit import fit_run
from dmrnet.engine.run.finished import open_run
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.run.seal import check_config
from dmrnet.evaluation import measure_of
from dmrnet.locking import BusyError, lock_folder
from dmrnet.settings.config import QUIET, RunSettings, read_config
from dmrnet.settings.files import flat
from dmrnet.settings.paths import absolute
from dmrnet.studies.workers.events import Busy, Done, Epoch, Message, Started

PATIENCE = 2.0
"""Seconds to wait for a run that another process is making before trying another."""

KEY_LENGTH = 8
"""Number of hexadecimal digits of a folder's key."""


def folder_of(settings: RunSettings, runs: Path) -> Path:
    """Return the folder of a run: readable names and a key of the settings that decide its result.

    Folders are identified by their ``config.yaml``: a run of an earlier version is reused if its
    settings mean the same, and left alone if its defaults meant something else.
    """
    settings = replace(settings, data=absolute(settings.data))
    names = (settings.dataset, settings.method.name, settings.recipe, f"seed{settings.seed}")
    stem, wanted = "-".join(names), identity(settings)
    folder = runs / f"{stem}-{key_of(_changed(settings))}"
    # The folder's own name first, then others of the same stem.
    for candidate in (folder, *sorted(runs.glob(f"{stem}-*"))):
        if _read(candidate) == wanted:
            return candidate
    taken = (folder / "config.yaml").is_file() and _read(folder) is not None
    return runs / f"{stem}-{key_of(wanted)}" if taken else folder


def identity(settings: RunSettings) -> dict[str, Any]:
    """Return every setting that decides the result of a run, by key as in ``config.yaml``."""
    return {key: value for key, value in flat(settings.to_dict()).items() if key not in QUIET}


def _changed(settings: RunSettings) -> dict[str, Any]:
    """Return the settings that differ from the defaults of recipe, training and data set."""
    data_changes = {
        f"data.{field.name}": getattr(settings.data, field.name)
        for field in fields(settings.data)
        if getattr(settings.data, field.name) != field.default
    }
    return {**settings.changed(), **data_changes}


def key_of(values: dict[str, Any]) -> str:
    """Return the digest of settings."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def _read(folder: Path) -> dict[str, Any] | None:
    """Return the identity of a folder's run; None if there is none or it cannot be read."""
    config = folder / "config.yaml"
    try:
        return _read_once(config, config.stat().st_mtime_ns)
    except (OSError, ValueError, TypeError):
        return None


@cache
def _read_once(config: Path, changed: int) -> dict[str, Any]:
    settings, folder = read_config(config), RunFolder(config.parent)
    if folder.facts.is_file():
        check_config(folder, folder.read_facts(), settings)
    return identity(settings)


def is_finished(folder: RunFolder) -> bool:
    """Whether a run is trained, and tested if its data have a test set."""
    if not folder.trained:
        return False
    tested = any(row["split"] == "test" for row in folder.rows())
    return tested or "test" not in folder.fact("samples")


def make_run(
    settings: RunSettings, runs: Path, report: Callable[[Message], None], test: bool = True
) -> None:
    """Train a run unless it is finished, and test it unless it is tested or not to be.

    `report` is called with every message; the last is `Done`, or `Busy` if another process is
    making the run.
    """
    folder = RunFolder(folder_of(settings, runs))
    report(Started(str(folder.path)))
    try:
        with lock_folder(folder.path, PATIENCE):
            done = _train_and_evaluate(settings, folder, report, test)
    except BusyError as error:
        report(Busy(error.holder))
        return
    # After the last message this process may be stopped.
    report(done)


def _train_and_evaluate(
    settings: RunSettings, folder: RunFolder, report: Callable[[Message], None], test: bool
) -> Done:
    start = time.perf_counter()
    train_start = [start]
    fresh = fit_run(
        settings,
        folder.path,
        report=lambda p: report(Epoch(p.epoch, p.epochs, p.loss, p.selection, p.metric)),
        started=lambda *_: train_start.append(time.perf_counter()),
    )
    train_end = time.perf_counter()
    tested = test and "test" in folder.fact("samples")
    if tested and not any(row["split"] == "test" for row in folder.rows()):
        evaluate_run(open_run(folder.path))
    metric = score_of(folder, settings)
    return Done(
        run=str(folder.path),
        fresh=fresh,
        seconds={
            "data": train_start[-1] - start,
            "train": train_end - train_start[-1],
            "evaluate": time.perf_counter() - train_end,
        },
        score=mean_score(folder, metric),
        tested=tested,
        metric=metric,
    )


def score_of(folder: RunFolder, settings: RunSettings) -> str:
    """Return the name of the score of a run, which may depend on what its data predict."""
    score = folder.read_facts().get("score")
    return measure_of(settings.data).name if score is None else str(score)


def mean_score(folder: RunFolder, metric: str = "accuracy") -> float | None:
    """Return the mean validation score over combinations."""
    rates = [
        float(row["value"])
        for row in folder.rows()
        if row["split"] == "val" and row["metric"] == metric and row["value"] is not None
    ]
    return sum(rates) / len(rates) if rates else None
