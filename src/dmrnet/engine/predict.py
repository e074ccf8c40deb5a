"""Predictions of a finished run for samples of one class each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dmrnet.confidence import Confidence
from dmrnet.data.dataset import Dataset
from dmrnet.data.files.arrays.bad_rows import BadRows
from dmrnet.data.files.arrays.source import Source
from dmrnet.data.loader import evaluation_batches
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.engine.scores.scoring import naming_samples, samples_at_once
from dmrnet.evaluation import predict_masks
from dmrnet.evaluation.finite import FiniteLogits
from dmrnet.modalities import Batch, name_of, parse
from dmrnet.targets import target_of


@dataclass(frozen=True)
class Predictable:
    """Samples of a data set that a run has something to predict from.

    Attributes:
        run: Run that predicts.
        dataset: All samples.
        rows: int64 ``(m,)`` row numbers of those to predict.
        visible: bool ``(V,)``, True for modalities that may be used.
    """

    run: FinishedRun
    dataset: Dataset
    rows: Tensor
    visible: Tensor

    @property
    def seen(self) -> Tensor:
        """Modalities that each is predicted from, bool ``(m, V)``."""
        return (self.dataset.present & self.visible)[self.rows]

    @property
    def names(self) -> list[str]:
        """Names of the samples, or their row numbers."""
        names = self.dataset.samples
        return [names[row] if names else str(row) for row in self.rows.tolist()]

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield the samples on the run's device, each with a mask of what it is predicted from."""
        for batch in evaluation_batches(self.dataset, size, rows=self.rows):
            mask = batch.present & self.visible
            yield batch.masked(mask, mask, self.run.task.modalities).to(self.run.device)


def predictable(
    run: FinishedRun, dataset: Dataset, combination: str | None, where: str
) -> Predictable:
    """Return which samples have something to predict from, and the modalities to predict from.

    Args:
        run: Run that predicts.
        dataset: The samples.
        combination: Names joined by ``+``; None for all modalities.
        where: Origin of the samples, for messages.

    Raises:
        ValueError: If no sample has any of the combination's modalities.
    """
    names = run.task.modalities
    visible = torch.ones(len(names), dtype=torch.bool)
    if combination is not None:
        visible = parse(combination, names)
    rows = (dataset.present & visible).any(1).nonzero().flatten()
    if not len(rows):
        raise ValueError(
            f"{where}: expected rows that have any of {name_of(visible, names)}, got none among "
            f"{len(dataset)}; allow more modalities"
        )
    return Predictable(run, dataset, rows, visible)


@torch.inference_mode()
def predict_rows(
    samples: Predictable,
    batch_size: int | None = None,
    advance: Callable[[int], None] | None = None,
    confidence: Confidence | None = None,
) -> Tensor:
    """Predict samples, each from the visible modalities that it has.

    Args:
        samples: The samples.
        batch_size: Samples predicted together; by default by their size.
        advance: Called with the number of samples predicted in each step.
        confidence: What calibrates the probabilities; None leaves them as the network gives them.

    Returns:
        Probabilities, float32 ``(m, M)``; in regression numbers, float64 ``(m, D)``.

    Raises:
        NoClassError: If the largest logit of a row is NaN or infinite.
    """
    method, task = samples.run.method, samples.run.task
    parts, watch, kind = [], FiniteLogits(method.modalities), target_of(task)
    for batch in samples.batches(batch_size or samples_at_once(task)):
        assert batch.mask is not None
        assert batch.where is not None
        feats = method.cached(batch.inputs, batch.where)
        logits = predict_masks(method, feats, batch.mask[None])[0]
        watch.add(kind.defined(logits), batch.index, batch.mask)
        parts.append(kind.probabilities(logits).cpu())
        if advance is not None:
            advance(len(batch))
    with naming_samples("", samples.dataset):
        watch.check()
    probabilities = torch.cat(parts)
    if confidence is None:
        return probabilities
    return confidence.calibrate(probabilities, samples.seen)


def read_predictable(
    run: FinishedRun,
    source: str | Path | Source,
    combination: str | None,
    bad_rows: BadRows = "refuse",
) -> Predictable:
    """Read samples without need of labels; return those that have something to predict from."""
    dataset = run.read(source, need_target=False, bad_rows=bad_rows)
    where = str(source) if isinstance(source, str | Path) else source.path
    return predictable(run, dataset, combination, where)


def predict_run(
    run: FinishedRun,
    path: str | Path | Source,
    combination: str | None = None,
    batch_size: int | None = None,
    advance: Callable[[int], None] | None = None,
    confidence: Confidence | None = None,
    bad_rows: BadRows = "refuse",
) -> tuple[Dataset, Tensor, Tensor]:
    """Predict each sample of a file from the modalities that it has, or from some of them.

    Args:
        run: Run that predicts; one class per sample.
        path: File of arrays, or arrays in Python; ``y`` is not needed.
        combination: Names joined by ``+``: use no other modalities, and leave out samples that
            have none of these.
        batch_size: Samples predicted together; by default by their size.
        advance: Called with the number of samples predicted in each step.
        confidence: See `predict_rows`.
        bad_rows: ``skip`` leaves rows out that cannot be used.

    Returns:
        The samples of the file; the row numbers of those predicted, int64 ``(m,)``; and
        probabilities, float32 ``(m, M)``, or numbers, float64 ``(m, D)``.

    Raises:
        ValueError: If no sample has any of the combination's modalities.
        NoClassError: If the largest logit of a row is NaN or infinite.
    """
    samples = read_predictable(run, path, combination, bad_rows)
    predicted = predict_rows(samples, batch_size, advance, confidence)
    return samples.dataset, samples.rows, predicted
