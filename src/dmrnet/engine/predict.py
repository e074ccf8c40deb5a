"""Predictions of a finished run for samples of one class each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from dmrnet.confidence import Confidence
from dmrnet.data.dataset import Dataset
from dmrnet.data.files.arrays.bad_rows import BadRows
from dmrnet.data.files.arrays.source import Source
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.engine.scores.scoring import naming_samples, samples_at_once
from dmrnet.evaluation import predict_masks
from dmrnet.evaluation.finite import FiniteLogits
from dmrnet.modalities import name_of, parse
from dmrnet.targets import target_of


def predictable_rows(
    run: FinishedRun, dataset: Dataset, combination: str | None, where: str
) -> tuple[Tensor, Tensor]:
    """Return which samples have something to predict from, and the modalities to predict from.

    Args:
        run: Run that predicts.
        dataset: The samples.
        combination: Names joined by ``+``; None for all modalities.
        where: Origin of the samples, for messages.

    Returns:
        int64 ``(m,)`` row numbers and bool ``(V,)``, True for modalities that may be used.

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
    return rows, visible


@torch.inference_mode()
def predict_rows(
    run: FinishedRun,
    dataset: Dataset,
    rows: Tensor,
    visible: Tensor,
    batch_size: int | None = None,
    advance: Callable[[int], None] | None = None,
    confidence: Confidence | None = None,
) -> Tensor:
    """Predict samples, each from the visible modalities that it has.

    Args:
        run: Run that predicts.
        dataset: The samples.
        rows: int64 ``(m,)`` row numbers of the samples to predict.
        visible: bool ``(V,)``, True for modalities that may be used.
        batch_size: Samples predicted together; by default by their size.
        advance: Called with the number of samples predicted in each step.
        confidence: What calibrates the probabilities; None leaves them as the network gives them.

    Returns:
        Probabilities, float32 ``(m, M)``; in regression numbers, float64 ``(m, D)``.

    Raises:
        NoClassError: If the largest logit of a row is NaN or infinite.
    """
    parts, watch, kind = [], FiniteLogits(run.method.modalities), target_of(run.task)
    size = batch_size or samples_at_once(run.task)
    for batch in run.masked_batches(dataset, rows, visible, size):
        assert batch.mask is not None
        assert batch.where is not None
        feats = run.method.cached(batch.inputs, batch.where)
        logits = predict_masks(run.method, feats, batch.mask[None])[0]
        watch.add(kind.defined(logits), batch.index, batch.mask)
        parts.append(kind.probabilities(logits).cpu())
        if advance is not None:
            advance(len(batch))
    with naming_samples("", dataset):
        watch.check()
    probabilities = torch.cat(parts)
    if confidence is None:
        return probabilities
    return confidence.calibrate(probabilities, (dataset.present & visible)[rows])


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
    dataset = run.read(path, need_target=False, bad_rows=bad_rows)
    where = str(path) if isinstance(path, str | Path) else path.path
    rows, visible = predictable_rows(run, dataset, combination, where)
    predicted = predict_rows(run, dataset, rows, visible, batch_size, advance, confidence)
    return dataset, rows, predicted
