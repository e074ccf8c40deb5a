"""The teacher that a method needs first: trained before its student, or given as a run.

Teachers are stored by content in a folder next to the runs: students that differ in settings of
their own share one, and it is trained once, even if several commands need it at the same time.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from dmrnet.engine.run.finished import FinishedRun, open_run
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.run.seal import decisive_settings
from dmrnet.engine.training.processes import launch
from dmrnet.locking import lock_folder
from dmrnet.methods import method
from dmrnet.settings.config import RunSettings, read_config
from dmrnet.settings.paths import absolute
from dmrnet.settings.training import Select

log = logging.getLogger(__name__)

CACHE = ".teachers"
"""Folder of the teachers, next to the runs; hidden, so that ``runs/*`` matches runs only."""

FOLDER = "teacher"
"""Folder of the teacher, in the run's own, where several processes train together."""

Train = Callable[[RunSettings, Path], bool]
"""Trains a run into a folder, or finds it finished there."""


def prerequisite(
    settings: RunSettings, name: str, folder: RunFolder, content: Mapping[str, str], train: Train
) -> FinishedRun:
    """Return the finished run that a run needs; train it if it is not finished yet.

    It is trained with the same data, network, seed and training settings, but selected as
    `teacher_selection` says. Its folder in `CACHE` is named by all of that (see `cache_folder`):
    another run that needs the same one finds it finished, goes on with it, or waits for the process
    that trains it. The setting `teacher` names a finished run to use instead; it must be of the
    same method, data and seed, since otherwise it may have learnt from rows that its student is
    validated on.

    Args:
        settings: Settings of the run that needs it.
        name: Name of the needed method.
        folder: Folder of the run that needs it.
        content: Fingerprint of each split of the data.
        train: Trains a run.

    Raises:
        FileNotFoundError: If the folder that is named holds no finished run.
        ValueError: If that is a run of another method, other data or another seed.
    """
    given = settings.method.prerequisite_run()
    if given is not None:
        return _given(Path(given), settings, name)
    wanted = replace(
        settings,
        method=method(name).recipe(
            "best", network=settings.method.network, smoothing=settings.method.smoothing
        ),
        recipe="best",
        training=replace(settings.training, select=teacher_selection(settings.training.select)),
    )
    own = folder.path / FOLDER
    many = (settings.training.devices or 1) * (settings.training.nodes or 1) > 1
    if many or own.is_dir():
        # Processes that train together must agree on whether there is something to train.
        if not RunFolder(own).trained and many and launch() is None:
            # Processes started from here would start the command anew in the middle of it.
            raise ValueError(
                f"{settings.method.name} needs a trained {name} first, and devices (--devices) "
                f"starts processes for one run only; use torchrun, or train {name} by itself "
                "and give its folder as teacher of the method (--method.teacher)"
            )
        return _trained(wanted, own, train)
    return _cached(wanted, cache_folder(wanted, folder.path.parent / CACHE, content), train)


def teacher_selection(student: Select) -> Select:
    """Return how a teacher's weights are selected: on samples with all modalities that they have.

    A student asks its teacher about nothing else. On `mfeat` the average over combinations once
    chose the third of 45 epochs.
    """
    return "last" if student == "last" else "complete"


def cache_folder(settings: RunSettings, cache: Path, content: Mapping[str, str]) -> Path:
    """Return the folder of a teacher, named by all that decides its weights.

    That is: the content of its training and validation samples, whatever files they come from;
    every setting of data, method and training except where and how fast it runs; the seed.

    Args:
        settings: Settings of the teacher's run.
        cache: Folder of such folders.
        content: Fingerprint of each split of the data.
    """
    samples = {name: content[name] for name in ("train", "val")}
    text = json.dumps([decisive_settings(settings), samples], sort_keys=True)
    key = blake2b(text.encode(), digest_size=6).hexdigest()
    return cache / f"{settings.dataset}-{settings.method.name}-seed{settings.seed}-{key}"


def cost_of(run: FinishedRun) -> dict[str, float]:
    """Return what the training of a finished run cost, by metric, from its rows."""
    metrics = ("train_seconds", "train_cpu_seconds", "train_samples")
    return {row["metric"]: row["value"] for row in run.folder.rows() if row["metric"] in metrics}


def _given(path: Path, settings: RunSettings, name: str) -> FinishedRun:
    """Open the run that the setting `teacher` names, and check that it fits."""
    teacher = open_run(path)
    if teacher.settings.method.name != name:
        raise ValueError(
            f"teacher {path} (--method.teacher) holds a run of {teacher.settings.method.name}, but "
            f"{settings.method.name} needs one of {name}; train one as method {name} (--method)"
        )
    mine, theirs = (
        (run.dataset, absolute(run.data), run.seed) for run in (settings, teacher.settings)
    )
    if mine != theirs:
        raise ValueError(
            f"teacher {path} (--method.teacher) was trained on {teacher.settings.data_label} with "
            f"seed {theirs[2]}, but this run is on {settings.data_label} with seed {mine[2]}; rows "
            "that it learnt from could be in this run's validation: train it on the same"
        )
    return teacher


def _trained(wanted: RunSettings, folder: Path, train: Train) -> FinishedRun:
    """Return a run, trained into its folder if it is not finished there."""
    if not RunFolder(folder).trained:
        log.warning("training %s first, as the teacher, into %s", wanted.method.name, folder)
    train(wanted, folder)
    return open_run(folder)


def _cached(wanted: RunSettings, path: Path, train: Train) -> FinishedRun:
    """Return a run of the cache, trained if it is not finished there."""
    with lock_folder(path):
        folder = RunFolder(path)
        if folder.trained:
            return open_run(path)
        if folder.config.is_file() and read_config(folder.config).to_dict() != wanted.to_dict():
            # The same run from files under other paths, or on another device: it begins anew.
            for checkpoint in folder.checkpoints.glob("epoch-*.ckpt"):
                checkpoint.unlink(missing_ok=True)
        return _trained(wanted, path, train)
