"""Evaluation of a finished run on test samples, with its rows and predictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from dmrnet.confidence import Confidence
from dmrnet.data.dataset import Dataset, fingerprint_of_file
from dmrnet.data.files.arrays.bad_rows import BadRows
from dmrnet.data.files.arrays.source import Source
from dmrnet.data.sets.base import DataSettings
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.engine.scores.class_rows import class_metric_lines
from dmrnet.engine.scores.confidence import calibration_lines, read_confidence, reliability_counts
from dmrnet.engine.scores.confusion import pack_confusion
from dmrnet.engine.scores.own_metrics import METRICS, MetricFunction, check_metrics, own_lines
from dmrnet.engine.scores.pixel_results import class_lines, pack_counts, pack_label_maps, shown_rows
from dmrnet.engine.scores.rows import Line, result_rows, score_lines
from dmrnet.engine.scores.scoring import (
    combinations_of,
    keeps_predictions,
    naming_samples,
    score,
    score_images,
)
from dmrnet.engine.scores.shown import pack_shown
from dmrnet.engine.scores.thresholds import (
    apply_thresholds,
    attack_type_lines,
    predicted_labels,
    sets_thresholds,
)
from dmrnet.evaluation import Evaluation, PixelEvaluation, measure_of
from dmrnet.locking import lock_folder
from dmrnet.modalities import Task, name_of
from dmrnet.storage import npz_bytes
from dmrnet.targets import target_of


def evaluate_run(
    run: FinishedRun,
    test: str | Path | Source | None = None,
    batch_size: int | None = None,
    tile: int | None = None,
    metrics: Mapping[str, MetricFunction] | None = None,
    absent: Mapping[str, float] | None = None,
    bad_rows: BadRows = "refuse",
) -> tuple[Evaluation, bool]:
    """Score every combination on the test samples; write rows and predictions.

    Another process that writes into the run's folder is waited for.

    Args:
        run: Run to evaluate.
        test: File, or arrays in Python, to test on in place of the run's own.
        batch_size: Samples encoded together; by default by their size.
        tile: Side, in pixels, of the tiles in which images with a class for every pixel are
            predicted; by default whole, unless they are very large.
        metrics: Metrics to report besides the run's own and the registered ones, by name; not of
            images where every pixel has a class.
        absent: Number that stands for an absent block of `test`, by modality.
        bad_rows: ``skip`` scores `test` without rows that cannot be used.

    Returns:
        The counts, and whether predictions were stored.
    """
    check_metrics(metrics)
    with lock_folder(run.folder.path):
        dataset = run.samples("test", test, absent, bad_rows)
        if run.task.dense:
            if metrics:
                raise ValueError(
                    f"expected no metrics of your own ({', '.join(metrics)}) where every "
                    f"{run.task.element} has a class"
                )
            return _evaluate_images(run, dataset, test, batch_size, tile), True
        result = _evaluate_samples(run, dataset, test, batch_size, metrics or {})
        return result, result.predictions is not None


def _evaluate_samples(
    run: FinishedRun,
    dataset: Dataset,
    test: str | Path | Source | None,
    batch_size: int | None,
    metrics: Mapping[str, MetricFunction],
) -> Evaluation:
    """Score samples; store rows, and predictions unless they are too many."""
    task, data = run.task, run.settings.data
    names, combinations = task.modalities, combinations_of(len(task.modalities))
    store = keeps_predictions(dataset, len(combinations))
    measure, kind = measure_of(data, task, run.settings.training.select_by), target_of(task)
    with naming_samples("test", dataset):
        result = score(
            run.method,
            dataset,
            combinations,
            run.device,
            batch_size=batch_size,
            keep=store or sets_thresholds(measure) or measure.needs_predictions,
        )
    result, thresholds = apply_thresholds(measure, result, run.folder, names)
    kept = result if store else replace(result, predictions=None)
    confidence = read_confidence(run.folder)
    lines = [
        *score_lines(measure, result, names),
        *class_metric_lines(kept, task, {*METRICS, *metrics, measure.name}),
        *attack_type_lines(measure, result, thresholds, dataset),
        *calibration_lines(confidence, kept, task),
        *own_lines(kept, names, metrics),
    ]
    decided = None
    if result.predictions is not None and (store or kind.name == "multi-label"):
        decided = predicted_labels(measure, result.predictions, thresholds, kind)
    contents: dict[Path, bytes | None] = dict.fromkeys(
        (run.folder.predictions, run.folder.confusion, run.folder.shown)
    )
    if kept.predictions is None:
        contents[run.folder.confusion] = pack_confusion(result, names, decided)
    else:
        assert decided is not None
        # Not every licence lets a data set's samples be shown in a report.
        if data.shows_inputs:
            contents[run.folder.shown] = pack_shown(dataset, kept, decided)
        sources = sources_of(data if test is None else None, dataset, kept.predictions.index)
        packed = pack_predictions(kept, task, decided, confidence, sources)
        contents[run.folder.predictions] = packed
    _store(run, dataset, test, lines, contents)
    return kept


def pack_predictions(
    result: Evaluation,
    task: Task,
    decided: Tensor,
    confidence: Confidence | None,
    sources: Mapping[str, Any],
) -> bytes:
    """Return the content of ``predictions.npz``: what is predicted for each sample.

    Args:
        result: Evaluation with predictions.
        task: Task of the run.
        decided: What is predicted, as `predicted_labels` returns it.
        confidence: What calibrates probabilities; None without.
        sources: What `sources_of` returned.
    """
    kept, numbers = result.predictions, task.target == "regression"
    assert kept is not None
    names = [name_of(mask, task.modalities) for mask in result.combinations.cpu()]
    arrays: dict[str, Any] = {
        "index": kept.index.numpy(),
        "combination": np.array(names),
        "target": kept.target.numpy(),
        "scored": kept.scored.numpy(),
        "predicted": decided.numpy() if numbers else decided.numpy().astype(np.int16),
        **sources,
    }
    if not numbers:
        arrays["probabilities"] = kept.probabilities.numpy()
    if task.target == "classes":
        arrays["reliability"] = reliability_counts(confidence, result)
    return npz_bytes(arrays)


def _evaluate_images(
    run: FinishedRun,
    dataset: Dataset,
    test: str | Path | Source | None,
    batch_size: int | None,
    tile: int | None,
) -> PixelEvaluation:
    """Score images with a class for every pixel; store rows, counts and some label maps."""
    names, data = run.task.modalities, run.settings.data
    with naming_samples("test", dataset):
        result = score_images(
            run.method,
            dataset,
            combinations_of(len(names)),
            run.device,
            batch_size=batch_size,
            tile=tile,
            distances=True,
            show=shown_rows(dataset),
        )
    lines = [
        *score_lines(measure_of(data, run.task), result, names),
        *class_lines(result, run.task),
    ]
    contents = {
        run.folder.predictions: pack_counts(result, run.task),
        # Not every licence lets a data set's images be shown in a report.
        run.folder.pictures: pack_label_maps(result, dataset, inputs=data.shows_inputs),
    }
    _store(run, dataset, test, lines, contents)
    return result


def _store(
    run: FinishedRun,
    dataset: Dataset,
    test: str | Path | Source | None,
    lines: Iterable[Line],
    contents: Mapping[Path, bytes | None],
) -> None:
    folder, settings = run.folder, run.settings
    facts = folder.read_facts()
    files = facts.get("files", {})
    path = settings.data.files().get("test") if test is None else test
    if isinstance(path, str | Path):
        # A folder of cases has no content of its own.
        known = fingerprint_of_file(path) if Path(path).is_file() else dataset.fingerprint()
        files = {**files, "test": known}
    rows = result_rows(folder.name, settings, "test", lines)
    counts: dict[str, Any] = {"test_samples": len(dataset)}
    if dataset.skipped or "test_skipped" in facts:
        counts["test_skipped"] = [one._asdict() for one in dataset.skipped]
    folder.put_test(rows, contents, files=files, **counts)


def sources_of(data: DataSettings | None, dataset: Dataset, index: Tensor) -> dict[str, Any]:
    """Return what samples share: two of one source are not two independent samples.

    Args:
        data: Settings of the data set, whose `sources` says what samples share; None for another
            file, each of whose samples is a source of its own.
        dataset: The samples.
        index: int64 ``(n,)`` row numbers, in the order of the predictions.

    Returns:
        ``source``, text ``(n,)`` or ``(n, V)``; nothing where samples have no names.
    """
    names = dataset.samples
    if names is None:
        return {}
    sources = [names[row] if data is None else data.sources(names[row]) for row in index.tolist()]
    return {"source": np.array(sources)}
