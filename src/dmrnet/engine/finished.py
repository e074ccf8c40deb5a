"""A finished run, taken up again: its method with the kept weights, and data to put it to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.data.fingerprint import fingerprint_of_bytes, fingerprint_of_file
from dmrnet.data.loader import evaluation_batches
from dmrnet.data.standardise import Standardiser
from dmrnet.engine.folder import RunFolder
from dmrnet.engine.pixels import SHOWN, packed, packed_maps, rows_by_class, score_images, spread
from dmrnet.engine.rows import rows_of_evaluation
from dmrnet.engine.sources import sources_of
from dmrnet.engine.thresholds import decided, rows_by_type, take_thresholds
from dmrnet.engine.training.selection import combinations_of, named, samples_at_once
from dmrnet.engine.weights import load_weights
from dmrnet.evaluation import Evaluation, PixelEvaluation, evaluate, measure_of, predict_masks
from dmrnet.evaluation.finite import a_class_wins, finite_logits
from dmrnet.locking import lock_folder
from dmrnet.methods.base import Method
from dmrnet.modalities import Modality, Task, name_of, parse
from dmrnet.nn.layers.memory_format import arrange
from dmrnet.settings.config import RunSettings, read_config
from dmrnet.settings.paths import after_move

MOST_NUMBERS = 50_000_000
"""Probabilities of so many (sample, combination, class) are kept; of more, none."""


@dataclass(frozen=True)
class Finished:
    """A run that can be evaluated and can predict.

    Attributes:
        folder: Where it stands.
        settings: What it was trained with.
        task: Modalities in order, and classes.
        method: With the kept weights, in evaluation mode.
        standardiser: Of its training rows, if there is one.
        device: Where the method is.
    """

    folder: RunFolder
    settings: RunSettings
    task: Task
    method: Method
    standardiser: Standardiser | None
    device: str

    def read(self, path: str, need_target: bool = True) -> Dataset:
        """Read a file of arrays as the run read its own; of images where every pixel has a class.

        Raises:
            FileNotFoundError: If it is not there.
            ValueError: If it is not as it should be, or is to be tested on where every pixel has a
                class, which such a file cannot hold.
        """
        data, standardiser = self.settings.data, self.standardiser
        if self.task.dense and standardiser is None:
            # Runs of earlier versions did not keep it; their data tell.
            standardiser = data.load(self.settings.seed).standardiser
        columns = self.folder.read_facts().get("columns") or None
        return data.read(path, self.task, standardiser, columns, need_target)

    def test_set(self, path: str | None = None) -> Dataset:
        """Return the samples to test on: a file given, the run's own file, or its data set's.

        Raises:
            FileNotFoundError: If the run's own file is gone.
            ValueError: If the run has none, or its own samples are others than at its training.
        """
        if path is not None:
            return self.read(path)
        own = self.settings.data.files().get("test")
        recorded = self.folder.read_facts().get("content", {}).get("test")
        if own is not None:
            if not Path(own).is_file():
                raise FileNotFoundError(
                    f"{self.folder.path} is tested on {own}, which is not there; name the file "
                    "with --test FILE"
                )
            test: Dataset | None = self.read(own)
        else:
            test = self.settings.data.load(self.settings.seed).test
        if test is not None and recorded not in (None, test.fingerprint()):
            raise ValueError(
                f"the test samples are not those that {self.folder.path} was trained beside; "
                "restore the data, or name a file with --test FILE"
            )
        if test is None:
            raise ValueError(
                f"run {self.folder.path} was trained without a test file; give one with --test FILE"
            )
        return test

    def part(self, split: str) -> Dataset:
        """Return the samples that the run was validated (`val`) or is tested (`test`) on.

        Raises:
            FileNotFoundError: If they are gone.
            ValueError: If there is no such split, or the samples are others than at its training.
        """
        if split == "test":
            return self.test_set()
        if split != "val":
            raise ValueError(f"expected the split val or test, got {split!r}")
        val = self.settings.data.load(self.settings.seed).val
        recorded = self.folder.read_facts().get("content", {}).get("val")
        if recorded not in (None, val.fingerprint()):
            raise ValueError(
                f"the validation samples are not those that {self.folder.path} was trained "
                "beside; restore the data"
            )
        return val


def open_run(path: Path, device: str = "cpu") -> Finished:
    """Take up a finished run.

    Args:
        path: Its folder.
        device: Where its method goes.

    Raises:
        FileNotFoundError: If the folder holds no run, or its weights are gone.
        ValueError: If the run has not finished, or its files do not fit together.
    """
    folder = RunFolder(path)
    facts = folder.read_facts()
    settings = read_config(folder.config)
    known = facts.get("beside", {})
    settings = replace(settings, data=after_move(settings.data, folder.path, known))
    task = task_of(facts, folder.facts)
    check_finished(folder, facts)
    # Its own weights follow: those that it started from need not be fetched.
    network = replace(settings.method.network, pretrained=False)
    method = replace(settings.method, network=network).build(task)
    arrange(method, torch.device(device).type)
    load_weights(method, folder.weights)
    # Runs of earlier versions do not say whether they were standardised.
    standardised = facts.get("standardised", folder.standardiser.is_file())
    standardiser = standardiser_of(folder, task) if standardised else None
    return Finished(folder, settings, task, method.to(device).eval(), standardiser, device)


def check_finished(folder: RunFolder, facts: Mapping[str, Any]) -> None:
    """Refuse a run that stopped on the way: its weights are not yet those that it will keep.

    Raises:
        ValueError: If it has not finished; the command that goes on is told.
    """
    if not facts.get("finished"):
        epochs = facts.get("max_epochs", "?")
        raise ValueError(
            f"the run {folder.path} has not finished: it stopped after epoch "
            f"{len(folder.losses())} of {epochs}; go on with dmrnet fit --config {folder.config} "
            f"--out {folder.path}"
        )


def task_of(facts: Mapping[str, Any], where: Path) -> Task:
    """Return the task that ``run.json`` states.

    Raises:
        ValueError: If it states none.
    """
    try:
        inputs = tuple(
            Modality(name, facts["inputs"][name]["kind"], tuple(facts["inputs"][name]["shape"]))
            for name in facts["modalities"]
        )
        # Runs of earlier versions have one class a sample.
        return Task(inputs, tuple(facts["classes"]), dense=bool(facts.get("dense", False)))
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{where}: expected the run's modalities, inputs and classes, got none that can be "
            f"read ({error}); restore it, or train again into another --out"
        ) from error


def standardiser_of(folder: RunFolder, task: Task) -> Standardiser:
    """Return what the numbers of every further file are standardised by.

    Raises:
        FileNotFoundError: If it is gone; without it every prediction would be wrong.
        ValueError: If it is damaged, or of other modalities.
    """
    path, mend = folder.standardiser, "restore it, or train again into another --out"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is gone, by which this run's data are standardised; {mend}"
        )
    try:
        state = load(path.read_bytes())
    except SafetensorError as error:
        raise ValueError(f"{path} is corrupt or no safetensors file: {error}; {mend}") from error
    wanted = {f"{name}.{half}" for name in task.modalities for half in ("mean", "std")}
    may_be = {f"{name}.fine" for name in task.modalities}
    if not wanted <= set(state) <= wanted | may_be:
        raise ValueError(
            f"{path}: expected mean and std of {', '.join(task.modalities)}, got "
            f"{', '.join(sorted(state)[:6])}; {mend}"
        )
    return Standardiser.from_state(state)


def evaluate_run(
    run: Finished,
    test: str | None = None,
    batch_size: int | None = None,
    tile: int | None = None,
) -> tuple[Evaluation, bool]:
    """Score every combination on the test samples and write rows and predictions.

    Args:
        run: What to evaluate.
        test: A file to test on in place of the run's own.
        batch_size: Samples encoded together; by default by their size.
        tile: Where every pixel has a class: images are predicted in tiles of so many pixels a
            side; by default whole, unless they are very large.

    Another process that writes into the run's folder is waited for.

    Returns:
        The counts, and whether predictions were kept.
    """
    with lock_folder(run.folder.path):
        if not run.task.dense:
            return evaluate_samples(run, test, batch_size)
        return evaluate_images(run, batch_size, tile, test), True


def evaluate_samples(
    run: Finished, test: str | None, batch_size: int | None
) -> tuple[Evaluation, bool]:
    """Score every combination on test samples of one class each; write rows and predictions."""
    dataset = run.test_set(test)
    files = run.folder.read_facts().get("files", {})
    if (path := test or run.settings.data.files().get("test")) is not None:
        files = {**files, "test": fingerprint_of_file(path)}
    combinations = combinations_of(len(run.task.modalities))
    keep = len(dataset) * len(combinations) * len(run.task.classes) <= MOST_NUMBERS
    size = batch_size or samples_at_once(run.task)
    batches = (batch.to(run.device) for batch in evaluation_batches(dataset, size))
    measure = measure_of(run.settings.data)
    keep_all = keep or measure.threshold != "half"
    with named("test", dataset):
        result = evaluate(
            run.method, batches, combinations.to(run.device), len(run.task.classes), keep=keep_all
        )
    names = run.task.modalities
    result, thresholds = take_thresholds(measure, result, run.folder, names)
    rows = rows_of_evaluation(run.folder.name, run.settings, "test", result, names)
    rows += rows_by_type(run.folder.name, run.settings, result, thresholds, dataset)
    if not keep:
        result = replace(result, predictions=None)
    predictions = None
    if (kept := result.predictions) is not None:
        buffer = BytesIO()
        arrays = sources_of(run.settings.data if test is None else None, dataset, kept.index)
        np.savez_compressed(
            buffer,
            index=kept.index.numpy(),
            combination=np.array([name_of(mask, names) for mask in combinations]),
            target=kept.target.numpy(),
            scored=kept.scored.numpy(),
            probabilities=kept.probabilities.numpy(),
            predicted=decided(measure, kept, thresholds).numpy().astype(np.int16),
            **arrays,
        )
        predictions = buffer.getvalue()
    made = {run.folder.predictions: predictions}
    told = fingerprints(made)
    run.folder.put_test(rows, made, test_samples=len(dataset), files=files, evaluated=told)
    return result, keep


def evaluate_images(
    run: Finished, batch_size: int | None, tile: int | None, test: str | None = None
) -> PixelEvaluation:
    """Score every combination on the test images; write rows, counts and some label maps."""
    dataset = run.test_set(test)
    files = run.folder.read_facts().get("files", {})
    if (path := test or run.settings.data.files().get("test")) is not None:
        files = {**files, "test": fingerprint_of_file(path)}
    with named("test", dataset):
        result = score_images(
            run.method,
            dataset,
            combinations_of(len(run.task.modalities)),
            run.device,
            batch_size=batch_size,
            tile=tile,
            show=spread(len(dataset), SHOWN),
        )
    name = run.folder.name
    rows = rows_of_evaluation(name, run.settings, "test", result, run.task.modalities)
    # Not every licence lets a data set's images be shown in a report.
    shows = run.settings.data.shows_inputs
    rows += rows_by_class(name, run.settings, "test", result, run.task)
    made = {
        run.folder.predictions: packed(result, run.task),
        run.folder.pictures: packed_maps(result, dataset, shows),
    }
    told = fingerprints(made)
    run.folder.put_test(rows, made, test_samples=len(dataset), files=files, evaluated=told)
    return result


def fingerprints(made: Mapping[Path, bytes | None]) -> dict[str, str]:
    """Return a fingerprint by name of file.

    Where a crash left a file of one evaluation beside rows of another, these tell.
    """
    return {path.name: fingerprint_of_bytes(data) for path, data in made.items() if data}


def rows_seen(
    run: Finished, dataset: Dataset, combination: str | None, where: str
) -> tuple[Tensor, Tensor]:
    """Return which samples have something to be predicted from, and what may be seen of them.

    Args:
        run: What predicts.
        dataset: The samples.
        combination: Names joined by ``+``: see nothing else; None: all there is.
        where: The samples are from, for messages.

    Returns:
        int64 ``(m,)`` and bool ``(V,)``.

    Raises:
        ValueError: If no sample has any of the combination's modalities.
    """
    names = run.task.modalities
    seen = torch.ones(len(names), dtype=torch.bool)
    if combination is not None:
        seen = parse(combination, names)
    rows = (dataset.present & seen).any(1).nonzero().flatten()
    if not len(rows):
        raise ValueError(
            f"{where}: none of {len(dataset)} rows has any of {name_of(seen, names)}; allow more "
            "modalities"
        )
    return rows, seen


@torch.inference_mode()
def predict_rows(
    run: Finished,
    dataset: Dataset,
    rows: Tensor,
    seen: Tensor,
    batch_size: int | None = None,
    advance: Callable[[int], None] | None = None,
) -> Tensor:
    """Predict samples from what they have of some modalities.

    Args:
        run: What predicts.
        dataset: The samples.
        rows: int64 ``(m,)``: which of them.
        seen: bool ``(V,)``.
        batch_size: Samples a step; by default by their size.
        advance: Called with the number of samples done in each step.

    Returns:
        Probabilities, float32 ``(m, M)``.

    Raises:
        NoClassError: If the largest logit of a row is NaN or infinite.
    """
    parts, watch = [], finite_logits(run.method)
    for batch in evaluation_batches(dataset, batch_size or samples_at_once(run.task), rows=rows):
        mask = batch.present & seen
        here = batch.masked(mask, mask, run.task.modalities).to(run.device)
        assert here.mask is not None
        assert here.where is not None
        feats = run.method.cached(here.inputs, here.where)
        logits = predict_masks(run.method, feats, here.mask[None])[0]
        watch.add(a_class_wins(logits), here.index, here.mask)
        parts.append(logits.softmax(-1).cpu())
        if advance is not None:
            advance(len(batch))
    with named("", dataset):
        watch.check()
    return torch.cat(parts)


def predict_run(
    run: Finished,
    path: str,
    combination: str | None = None,
    batch_size: int | None = None,
    advance: Callable[[int], None] | None = None,
) -> tuple[Dataset, Tensor, Tensor]:
    """Predict each sample of a file from what it has, or from one combination of it.

    Args:
        run: What predicts; one class a sample.
        path: A file of arrays; ``y`` is not needed.
        combination: Names joined by ``+``: see nothing else. Samples that have none of them are
            left out.
        batch_size: Samples a step; by default by their size.
        advance: Called with the number of samples done in each step.

    Returns:
        The samples of the file; the rows of them that are predicted, int64 ``(m,)``; and
        probabilities, float32 ``(m, M)``.

    Raises:
        ValueError: If no sample has any of the combination's modalities.
        NoClassError: If the largest logit of a row is NaN or infinite.
    """
    dataset = run.read(path, need_target=False)
    rows, seen = rows_seen(run, dataset, combination, path)
    return dataset, rows, predict_rows(run, dataset, rows, seen, batch_size, advance)
