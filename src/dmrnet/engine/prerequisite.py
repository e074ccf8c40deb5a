"""The run that another run needs first: a teacher, trained before its student or given."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dmrnet.engine.config import RunSettings
from dmrnet.engine.finished import Finished, open_run
from dmrnet.engine.folder import RunFolder
from dmrnet.engine.processes import launch
from dmrnet.methods import method

log = logging.getLogger(__name__)

FOLDER = "teacher"
"""In a run's own folder."""


def prerequisite(
    settings: RunSettings, name: str, folder: RunFolder, train: Callable[[RunSettings, Path], bool]
) -> Finished:
    """Return the finished run that a run needs; train it where it is not there yet.

    It is trained on the same data, with the same network, seed and training, into the run's own
    folder, where it is found finished the next time, or goes on; or it is the run that the setting
    `teacher` names, which must be of that method, data and seed, so that it has learnt from no row
    that its student is validated on.

    Args:
        settings: Of the run that needs it.
        name: Of the method.
        folder: Of the run that needs it.
        train: Trains a run into a folder, or finds it finished.

    Raises:
        FileNotFoundError: If a given folder holds no finished run.
        ValueError: If it holds another method's, or was trained on other data or another seed.
    """
    given = getattr(settings.method, "teacher", None)
    if given is not None:
        found = open_run(Path(given))
        if found.settings.method.name != name:
            raise ValueError(
                f"--method.teacher {given} holds a run of {found.settings.method.name}, but "
                f"{settings.method.name} needs one of {name}; train it with --method {name}"
            )
        mine, theirs = ((run.dataset, run.data, run.seed) for run in (settings, found.settings))
        if mine != theirs:
            raise ValueError(
                f"--method.teacher {given} was trained on {found.settings.data_label} with seed "
                f"{theirs[2]}, but this run is on {settings.data_label} with seed {mine[2]}; rows "
                "that it learnt from could be in this run's validation: train it on the same"
            )
        return found
    own = folder.path / FOLDER
    wanted = replace(
        settings,
        method=method(name).recipe(
            "best", network=settings.method.network, smoothing=settings.method.smoothing
        ),
        recipe="best",
    )
    record = RunFolder(own)
    done = record.facts.is_file() and bool(record.read_facts().get("finished"))
    many = (settings.training.devices or 1) * (settings.training.nodes or 1) > 1
    if not done and many and launch() is None:
        # Processes started from here would start the command anew in the middle of it.
        raise ValueError(
            f"{settings.method.name} needs a trained {name} first, and --devices starts processes "
            f"for one run only; use torchrun, or train {name} by itself and give its folder with "
            "--method.teacher"
        )
    if not done:
        log.warning("training %s first, as the teacher, into %s", name, own)
    train(wanted, own)
    return open_run(own)


def cost(run: Finished) -> dict[str, float]:
    """Return what a finished run's training cost, by metric, as its rows say."""
    wanted = ("train_seconds", "train_samples")
    rows = run.folder.rows()
    return {row["metric"]: row["value"] for row in rows if row["metric"] in wanted}
