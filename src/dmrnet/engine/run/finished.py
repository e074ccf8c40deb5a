"""A finished run, opened again: its method with the weights that were kept, and its data."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from dmrnet.data.checks.concerns import later_warnings
from dmrnet.data.checks.shift import shift_notes
from dmrnet.data.dataset import Dataset, Splits
from dmrnet.data.files.archive import open_source
from dmrnet.data.files.arrays.bad_rows import BadRows
from dmrnet.data.files.arrays.features import check_features
from dmrnet.data.files.arrays.source import ArraySource, Source
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.data.sets.given import Given
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.run.seal import check_config, check_facts, check_files, source_print
from dmrnet.engine.run.weights import load_weights
from dmrnet.hints import nearest
from dmrnet.locking import holder_of
from dmrnet.methods.base import Method
from dmrnet.modalities import Modality, Task
from dmrnet.nn.layers.memory_format import arrange
from dmrnet.settings.config import RunSettings, read_config
from dmrnet.settings.paths import after_move
from dmrnet.text import shell

log = logging.getLogger(__name__)

MOST_BYTES = 1 << 28
"""Size of the largest training file that is read again to compare a later file with it."""


@dataclass(frozen=True)
class FinishedRun:
    """A run that can be evaluated and can predict; see `open_run`.

    Attributes:
        folder: Folder of the run.
        settings: Settings it was trained with.
        task: Modalities in order, and what is predicted.
        method: Method with the kept weights, in evaluation mode.
        standardiser: Standardiser of its training rows, if there is one.
        device: Device of the method.
    """

    folder: RunFolder
    settings: RunSettings
    task: Task
    method: Method
    standardiser: Standardiser | None
    device: str

    def read(
        self,
        path: str | Path | Source,
        need_target: bool = True,
        absent: Mapping[str, float] | None = None,
        bad_rows: BadRows = "refuse",
    ) -> Dataset:
        """Read a file of samples as the run read its own.

        Args:
            path: File of arrays, of images where every pixel has a class; or arrays in Python.
            need_target: Whether the file must have labels.
            absent: Number that stands for an absent block, by modality, besides the run's own.
            bad_rows: ``skip`` leaves rows out that cannot be used; they are the data set's
                `skipped`.

        Raises:
            FileNotFoundError: If the file does not exist.
            ValueError: If the file is wrong, or the data set cannot be tested on a file.
        """
        standardiser = self.standardiser
        if self.task.axes == 2 and standardiser is None:
            # Runs of earlier versions did not store it, but it follows from their data.
            standardiser = self._load().standardiser
        facts = self.folder.read_facts()
        columns = facts.get("columns") or None
        if isinstance(path, ArraySource):
            check_features(path.path, path.features, facts.get("features", {}))
        if isinstance(path, str | Path):
            path = self.settings.data.open(str(path))
        path = self._with_options(path, absent or {}, bad_rows)
        dataset = self.settings.data.read(path, self.task, standardiser, columns, need_target)
        for sentence in (*dataset.warnings, *shift_notes(dataset, standardiser)):
            log.warning("%s", sentence)
        return dataset

    def _with_options(
        self, source: str | Source, absent: Mapping[str, float], bad_rows: BadRows
    ) -> str | Source:
        """Return a source that is read with these options."""
        for name in absent:
            if name not in self.task.modalities:
                raise ValueError(
                    f"absent: no modality {name!r}; {nearest(name, self.task.modalities)}"
                )
        if not absent and bad_rows == "refuse":
            return source
        opened = source
        if isinstance(source, str):
            opened = open_source(source, self.settings.data.groups)
        assert isinstance(opened, Source)
        return opened.with_options(absent, bad_rows)

    def samples(
        self,
        split: str,
        test: str | Path | Source | None = None,
        absent: Mapping[str, float] | None = None,
        bad_rows: BadRows = "refuse",
    ) -> Dataset:
        """Return the samples of a split, checked to be those of the run's training.

        Args:
            split: ``val`` or ``test``.
            test: File to take test samples from in place of the run's own; it is not checked.
            absent: Number that stands for an absent block of that file, by modality.
            bad_rows: Whether rows of that file that cannot be used are an error, or skipped.

        Raises:
            FileNotFoundError: If the data are gone.
            ValueError: If there is no such split, or its samples are not those of the training.
        """
        if split == "test":
            if test is not None:
                dataset = self.read(test, absent=absent, bad_rows=bad_rows)
                self._warn_of_known(dataset)
                return dataset
            if absent or bad_rows != "refuse":
                raise ValueError(
                    "expected a test file with absent and bad_rows: the run's own test samples are "
                    "those of its training"
                )
            return self._own_test_samples()
        if split != "val":
            raise ValueError(f"expected the split val or test, got {split!r}")
        if test is not None:
            raise ValueError(f"expected no test file with the split val, got {test}; use test")
        return self._checked("val", self._load().val, "restore the data")

    def _own_test_samples(self) -> Dataset:
        own = self.settings.data.files().get("test")
        if own is None:
            test = self._load().test
        elif Path(own).is_file():
            test = self.read(own)
        else:
            raise FileNotFoundError(
                f"{self.folder.path} is tested on {own}, which does not exist; name the file "
                "as test (--test FILE)"
            )
        if test is None:
            raise ValueError(
                f"{self.folder.path} was trained without test samples; give some as test "
                "(--test FILE)"
            )
        return self._checked("test", test, "restore the data, or name a file as test (--test FILE)")

    def _warn_of_known(self, dataset: Dataset) -> None:
        """Log which rows and groups of a later file training has; nothing if its data are gone."""
        data = self.settings.data
        train = Path(data.files().get("train", ""))
        small = train.is_file() and train.stat().st_size <= MOST_BYTES
        if dataset.row_hashes is None or not (small or isinstance(data, Given)):
            return
        try:
            splits = self._load()
        except (OSError, ValueError):
            return
        for sentence in later_warnings(splits.train, splits.val, dataset):
            log.warning("%s", sentence)

    def _load(self) -> Splits:
        return self.settings.data.load(self.settings.seed)

    def _checked(self, split: str, dataset: Dataset, mend: str) -> Dataset:
        recorded = self.folder.read_facts().get("content", {}).get(split)
        if recorded not in (None, dataset.fingerprint()):
            raise ValueError(
                f"expected the {split} samples with which {self.folder.path} was trained, got "
                f"others; {mend}"
            )
        return dataset


def open_run(
    path: str | Path,
    device: str = "cpu",
    encoders: Mapping[str, str] | None = None,
    fusion: str | None = None,
) -> FinishedRun:
    """Open a finished run.

    Args:
        path: Folder of the run.
        device: Device for its method.
        encoders: Names of encoders to build in place of those in its settings, by modality.
        fusion: Name of the fusion to build in place of that in its settings.

    Raises:
        FileNotFoundError: If the folder holds no run, or its weights are gone.
        ValueError: If the run has not finished, or its files do not fit together.
    """
    folder = RunFolder(path)
    facts = folder.read_facts()
    task = task_of(folder, facts)
    check_finished(folder, facts)
    settings = settings_of(folder, facts)
    check_facts(folder, facts)
    if facts.get("method_version", 1) != settings.method.version:
        log.warning(
            "%s was trained with another version of %s, whose weights predicted differently; its "
            "scores from now on are not those of before: train it again",
            path,
            settings.method.name,
        )
    # Pretrained weights need not be fetched: the run's own follow.
    network = replace(settings.method.network, pretrained=False)
    if encoders:
        network = replace(network, encoders={**network.encoders, **encoders})
    if fusion:
        network = replace(network, fusion=fusion)
    method = replace(settings.method, network=network).build(task)
    arrange(method, torch.device(device).type)
    load_weights(method, folder.weights)
    # Runs of earlier versions do not say whether they were standardised.
    standardised = facts.get("standardised", folder.standardiser.is_file())
    standardiser = _read_standardiser(folder, task) if standardised else None
    check_files(folder, facts)
    return FinishedRun(folder, settings, task, method.to(device).eval(), standardiser, device)


def settings_of(folder: RunFolder, facts: Mapping[str, Any]) -> RunSettings:
    """Return the settings of a run, with paths of data that moved together with it found again.

    Args:
        folder: Folder of the run.
        facts: Content of its ``run.json``.

    Raises:
        ValueError: If ``config.yaml`` is not what the run was trained with.
    """
    settings = read_config(folder.config)
    check_config(folder, facts, settings)
    # Runs of earlier versions kept the fingerprints of files only.
    known = facts.get("sources", facts.get("files", {}))
    same = partial(source_print, dataset=settings.dataset)
    data = after_move(settings.data, folder.path, facts.get("beside", {}), known, same)
    return replace(settings, data=data.recalled(facts))


def check_finished(folder: RunFolder, facts: Mapping[str, Any]) -> None:
    """Refuse a run that has not finished, since its weights are not those that it will keep.

    Raises:
        ValueError: If it has not finished; the message has the command that goes on.
    """
    if not facts.get("finished"):
        epochs = facts.get("max_epochs", "?")
        if (holder := holder_of(folder.path)) is not None:
            raise ValueError(
                f"the run {folder.path} is being trained by {holder}: {len(folder.losses())} of "
                f"{epochs} epochs are done; wait until it has finished"
            )
        raise ValueError(
            f"the run {folder.path} has not finished: it stopped after epoch "
            f"{len(folder.losses())} of {epochs}; go on by the same call of fit, or with "
            + shell("dmrnet", "fit", "--config", folder.config, "--out", folder.path)
        )


def task_of(folder: RunFolder, facts: Mapping[str, Any]) -> Task:
    """Return the task of a run.

    Args:
        folder: Folder of the run, for messages.
        facts: Content of its ``run.json``.

    Raises:
        ValueError: If the facts hold no task.
    """
    try:
        inputs = tuple(
            Modality(
                name,
                facts["inputs"][name]["kind"],
                tuple(facts["inputs"][name]["shape"]),
                bool(facts["inputs"][name].get("ragged", False)),
            )
            for name in facts["modalities"]
        )
        scale = facts.get("scale")
        # Runs of earlier versions have one class per sample.
        return Task(
            inputs,
            tuple(facts["classes"]),
            dense=bool(facts.get("dense", False)),
            target=facts.get("target", "classes"),
            scale=None if scale is None else tuple((mean, std) for mean, std in scale),
            regions=tuple((name, tuple(some)) for name, some in facts.get("regions", ())),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{folder.facts}: expected the run's modalities, inputs and classes, got none that can "
            f"be read ({error}); restore it, or train again into another folder (out, --out)"
        ) from error


def _read_standardiser(folder: RunFolder, task: Task) -> Standardiser:
    """Return the standardiser of the training rows; without it every prediction would be wrong."""
    path, mend = folder.standardiser, "restore it, or train again into another folder (out, --out)"
    if not path.is_file():
        raise FileNotFoundError(f"{path}, which standardises this run's data, is gone; {mend}")
    try:
        state = load(path.read_bytes())
    except SafetensorError as error:
        raise ValueError(f"{path} is corrupt or no safetensors file: {error}; {mend}") from error
    halves: tuple[str, ...] = ("mean", "std")
    if any(key.endswith(".flagged") for key in state):
        # Missing cells are filled.
        halves = (*halves, "fill")
    required = {f"{name}.{half}" for name in task.modalities for half in halves}
    optional = {
        f"{name}.{part}"
        for name in task.modalities
        for part in ("fine", "flagged", "ragged", "unscaled")
    }
    if not required <= set(state) <= required | optional:
        raise ValueError(
            f"{path}: expected mean and std of {', '.join(task.modalities)}, got "
            f"{', '.join(sorted(state)[:6])}; {mend}"
        )
    for modality in task.inputs:
        # What standardising appends is no channel of the data.
        flags = len(state.get(f"{modality.name}.flagged", ()))
        channels = modality.shape[0] - flags - (f"{modality.name}.ragged" in state)
        for half in halves:
            values = state[f"{modality.name}.{half}"]
            # One number may stand for all channels.
            if values.shape not in ((channels,), (1,)):
                raise ValueError(
                    f"{path}: expected {half} of {modality.name} of shape ({channels},), "
                    f"got {tuple(values.shape)}: it is of another run; {mend}"
                )
            if not values.isfinite().all() or (half == "std" and not (values > 0).all()):
                raise ValueError(
                    f"{path}: {half} of {modality.name} holds NaN, infinity or a deviation of 0: "
                    f"the file is damaged; {mend}"
                )
    return Standardiser.from_state(state)
