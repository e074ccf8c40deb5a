"""The validation scores of a finished training, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from dmrnet.engine.run.seal import seal
from dmrnet.engine.run.weights import load_weights
from dmrnet.engine.scores.class_rows import class_metric_lines
from dmrnet.engine.scores.confidence import fit_confidence
from dmrnet.engine.scores.cost import inference_flops
from dmrnet.engine.scores.own_metrics import METRICS
from dmrnet.engine.scores.rows import Line, result_rows, score_lines
from dmrnet.engine.scores.scoring import combinations_of, keeps_predictions, naming_samples, score
from dmrnet.engine.scores.thresholds import set_thresholds, sets_thresholds
from dmrnet.engine.training.trainee import Trainee
from dmrnet.evaluation import goodness, measure_of, worst
from dmrnet.methods.base import Method
from dmrnet.modalities import count, index_of
from dmrnet.settings.config import RunSettings


def write_final_scores(
    trainee: Trainee, settings: RunSettings, teacher_cost: Mapping[str, float]
) -> None:
    """Score the kept weights on validation, write the rows of the training, mark it as finished.

    Args:
        trainee: Training that has come to its end.
        settings: Settings of the run.
        teacher_cost: What training a teacher cost, by metric, which is added; empty without one.
    """
    method, val, folder = trainee.evaluated, trainee.splits.val, trainee.folder
    device = trainee.trainer.strategy.root_device
    load_weights(method, folder.weights)
    # Lightning has moved the method back to the CPU.
    method.to(device).eval()
    modalities = val.task.modalities
    combinations = combinations_of(len(modalities))
    measure = measure_of(settings.data, val.task, settings.training.select_by)
    with naming_samples("validation", val):
        keep = (
            keeps_predictions(val, len(combinations))
            or sets_thresholds(measure)
            or measure.needs_predictions
        )
        result = score(method, val, combinations, device, keep=keep)
    if val.task.target == "classes" and not val.task.dense:
        fit_confidence(folder, result)
    result = set_thresholds(measure, result, folder, modalities)
    figures = _figures(trainee, teacher_cost)
    scores, _ = measure.of(result)[measure.name]
    agreement = hard_agreement(method, combinations, goodness(measure, scores).cpu())
    if agreement is not None:
        figures["hard_agreement"] = agreement
    lines: list[Line] = [
        *score_lines(measure, result, modalities),
        *class_metric_lines(result, val.task, {*METRICS, measure.name}),
        *(("", metric, value, len(val)) for metric, value in figures.items()),
    ]
    folder.put_rows("val", result_rows(folder.name, settings, "val", lines))
    folder.write_facts(best_epoch=trainee.validation.best_epoch)
    folder.write_facts(finished=True, seal=seal(folder))


def _figures(trainee: Trainee, teacher_cost: Mapping[str, float]) -> dict[str, float]:
    """Return what belongs to no combination: sizes, cost, epochs."""
    method, best = trainee.evaluated, trainee.validation.best_epoch
    figures: dict[str, float] = {
        "parameters": sum(p.numel() for p in method.parameters()),
        # A term's own network is trained and then left out.
        "inference_parameters": sum(
            p.numel() for n, p in method.named_parameters() if not n.startswith("objective.")
        ),
        "inference_flops": inference_flops(method),
        "train_seconds": trainee.seconds + teacher_cost.get("train_seconds", 0.0),
        "train_samples": trainee.samples + teacher_cost.get("train_samples", 0),
        "epochs": trainee.trainer.current_epoch,
        "best_epoch": -1 if best is None else best + 1,
    }
    device = trainee.trainer.strategy.root_device
    if device.type == "cpu" and trainee.trainer.world_size == 1:
        # Where other work shares the machine this says more than elapsed time.
        seconds = trainee.cpu_seconds + teacher_cost.get("train_cpu_seconds", 0.0)
        figures["train_cpu_seconds"] = seconds
    if trainee.divergence.diverged:
        figures["loss_rise"] = trainee.divergence.highest
    return figures


def hard_agreement(method: Method, combinations: Tensor, scores: Tensor) -> float | None:
    """Return the share of the hard set that is among as many combinations that score worst.

    Args:
        method: Method with its hard set.
        combinations: bool ``(K, V)``.
        scores: ``(K,)``, higher is better.

    Returns:
        None without a hard set, or where not every combination was scored.
    """
    hard_set = method.hard_set()
    if hard_set is None or len(combinations) < count(combinations.shape[1]):
        return None
    hard = hard_set.cpu()[index_of(combinations)]
    size = int(hard.sum())
    return int((hard & worst(scores, size)).sum()) / size if size else None
