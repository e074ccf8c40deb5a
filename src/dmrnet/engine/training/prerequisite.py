"""The run that another run needs first: a teacher, trained before its student or given.

Teachers are kept by content, in a folder beside the runs: students that differ in settings of their
own share one, and it is trained once, also where several commands ask for it at the same time.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from dmrnet.data.dataset import Dataset
from dmrnet.engine.finished import FinishedRun, open_run
from dmrnet.engine.folder import RunFolder
from dmrnet.engine.training.processes import launch
from dmrnet.locking import lock_folder
from dmrnet.methods import method
from dmrnet.methods.base import Method
from dmrnet.settings.config import QUIET, RunSettings, read_config
from dmrnet.settings.files import flat
from dmrnet.settings.paths import absolute, paths_of
from dmrnet.settings.training import Select

log = logging.getLogger(__name__)

CACHE = ".teachers"
"""Beside the runs. Hidden, so that ``runs/*`` names runs alone."""

FOLDER = "teacher"
"""In a run's own folder, where many processes train together."""


def check_needs(method: Method, train: Dataset) -> None:
    """Refuse training samples that a method cannot learn from.

    Raises:
        ValueError: If it needs complete samples, and one lacks a modality.
    """
    if not method.needs.complete or bool(train.present.all()):
        return
    row = int((~train.present).any(1).nonzero()[0, 0])
    columns = zip(method.modalities, train.present[row].tolist(), strict=True)
    lacks = ", ".join(name for name, present in columns if not present)
    raise ValueError(
        f"{type(method).__name__} needs training samples that have every modality, but sample "
        f"{row} lacks {lacks}; leave such samples out, or take a method that does without"
    )


def prerequisite(
    settings: RunSettings,
    name: str,
    folder: RunFolder,
    content: Mapping[str, str],
    train: Callable[[RunSettings, Path], bool],
) -> FinishedRun:
    """Return the finished run that a run needs; train it where it is not there yet.

    It is trained on the same data, with the same network, seed and training (but selected with all
    that a validation sample has, since that is what it is asked about), into the folder
    `CACHE` beside the run's own, under a name that follows from all of that (see `place_of`): who
    needs the same one finds it finished, goes on with it, or waits for who is training it. Or it is
    the run that the setting `teacher` names, which must be of that method, data and seed, so that
    it has learnt from no row that its student is validated on.

    Args:
        settings: Of the run that needs it.
        name: Of the method.
        folder: Of the run that needs it.
        content: Fingerprint of each split of the data.
        train: Trains a run into a folder, or finds it finished.

    Raises:
        FileNotFoundError: If a given folder holds no finished run.
        ValueError: If it holds another method's, or was trained on other data or another seed.
    """
    given = getattr(settings.method, "teacher", None)
    if given is not None:
        return opened(Path(given), settings, name)
    wanted = replace(
        settings,
        method=method(name).recipe(
            "best", network=settings.method.network, smoothing=settings.method.smoothing
        ),
        recipe="best",
        training=replace(settings.training, select=select_of(settings.training.select)),
    )
    own = folder.path / FOLDER
    many = (settings.training.devices or 1) * (settings.training.nodes or 1) > 1
    if many or own.is_dir():
        # Processes that train together must agree on whether there is something to train.
        if not RunFolder(own).trained and many and launch() is None:
            # Processes started from here would start the command anew in the middle of it.
            raise ValueError(
                f"{settings.method.name} needs a trained {name} first, and --devices starts "
                f"processes for one run only; use torchrun, or train {name} by itself and give its "
                "folder with --method.teacher"
            )
        return trained(wanted, own, train)
    return kept(wanted, place_of(wanted, folder.path.parent / CACHE, content), train)


def select_of(student: Select) -> Select:
    """Return what a teacher is selected by: not by combinations, of which it knows none but all.

    On `mfeat` the average over combinations once chose the third of 45 epochs.
    """
    return "last" if student == "last" else "complete"


def opened(path: Path, settings: RunSettings, name: str) -> FinishedRun:
    """Open a run that is given as the one that another needs.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is of another method, other data or another seed.
    """
    found = open_run(path)
    if found.settings.method.name != name:
        raise ValueError(
            f"--method.teacher {path} holds a run of {found.settings.method.name}, but "
            f"{settings.method.name} needs one of {name}; train it with --method {name}"
        )
    mine, theirs = (
        (run.dataset, absolute(run.data), run.seed) for run in (settings, found.settings)
    )
    if mine != theirs:
        raise ValueError(
            f"--method.teacher {path} was trained on {found.settings.data_label} with seed "
            f"{theirs[2]}, but this run is on {settings.data_label} with seed {mine[2]}; rows "
            "that it learnt from could be in this run's validation: train it on the same"
        )
    return found


def trained(
    wanted: RunSettings, place: Path, train: Callable[[RunSettings, Path], bool]
) -> FinishedRun:
    """Return a run, trained into its folder where it is not finished there."""
    if not RunFolder(place).trained:
        log.warning("training %s first, as the teacher, into %s", wanted.method.name, place)
    train(wanted, place)
    return open_run(place)


def kept(
    wanted: RunSettings, place: Path, train: Callable[[RunSettings, Path], bool]
) -> FinishedRun:
    """Return a run of the cache, whose name says that it is the one that is wanted."""
    with lock_folder(place):
        if RunFolder(place).trained:
            return open_run(place)
        record = RunFolder(place)
        if record.config.is_file() and differs(read_config(record.config), wanted):
            # The same run, from files in another place or on another device: it begins anew.
            for path in record.checkpoints.glob("epoch-*.ckpt"):
                path.unlink(missing_ok=True)
        return trained(wanted, place, train)


def differs(one: RunSettings, other: RunSettings) -> bool:
    """Whether two settings differ in anything at all."""
    return flat(one.to_dict()) != flat(other.to_dict())


def place_of(settings: RunSettings, cache: Path, content: Mapping[str, str]) -> Path:
    """Return the folder of a run, named by all that decides its weights.

    That is: what its training and validation samples are, whatever files they come from; every
    setting of data, method and training but where and how fast it is run; the seed.

    Args:
        settings: Of the run.
        cache: The folder of such folders.
        content: Fingerprint of each split of the data.
    """
    places = {f"data.{name}" for name in paths_of(settings.data)}
    decides = {
        key: value
        for key, value in flat(settings.to_dict()).items()
        if key not in QUIET and key not in places
    }
    samples = {name: content[name] for name in ("train", "val")}
    text = json.dumps([decides, samples], sort_keys=True, default=str)
    key = blake2b(text.encode(), digest_size=6).hexdigest()
    return cache / f"{settings.dataset}-{settings.method.name}-seed{settings.seed}-{key}"


def cost(run: FinishedRun) -> dict[str, float]:
    """Return what a finished run's training cost, by metric, as its rows say."""
    wanted = ("train_seconds", "train_cpu_seconds", "train_samples")
    rows = run.folder.rows()
    return {row["metric"]: row["value"] for row in rows if row["metric"] in wanted}
