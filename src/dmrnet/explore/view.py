"""One view of a sample: what is drawn, what is predicted, what the run's table and advice say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.explore.corruptions import CORRUPTIONS, corrupt
from dmrnet.explore.drawing import drawing
from dmrnet.explore.run import LEVEL, ExploredRun
from dmrnet.explore.settings import ViewSettings
from dmrnet.report.records.metrics import is_rate, lower_is_better, score_label
from dmrnet.serve.answers import predictions
from dmrnet.serve.samples import BadSampleError


@dataclass(frozen=True)
class Shown:
    """One sample under settings.

    Attributes:
        inputs: Arrays ``(1, *shape)`` of the graph, corrupted; zeros where absent or off.
        present: bool ``(1, V)``, True where a modality is present and switched on.
        has: bool ``(V,)``, True for modalities that the sample has.
        drawings: What is drawn of each modality that the sample has, on or off.
    """

    inputs: dict[str, Array]
    present: Array
    has: Array
    drawings: dict[str, dict[str, Any]]


def shown(
    explored: ExploredRun, inputs: Mapping[str, Array], present: Array, settings: ViewSettings
) -> Shown:
    """Return a sample under settings.

    Args:
        explored: The run.
        inputs: Arrays ``(1, *shape)``.
        present: bool ``(V,)``, True for modalities that the sample has.
        settings: What is on, and corrupted.

    Raises:
        BadSampleError: If nothing is left, or less than all where a combination is fixed.
    """
    model = explored.model
    names = model.names
    on = np.array([settings.on is None or name in settings.on for name in names])
    seen = present & on
    if not seen.any() or (model.fixed and not seen.all()):
        what = "all of" if model.fixed else "at least one that the sample has of"
        raise BadSampleError(f"expected {what} {', '.join(names)} to be on")
    changed, drawings = {}, {}
    for column, name in enumerate(names):
        clean = inputs[name]
        if not present[column]:
            changed[name] = clean
            continue
        mean, deviation, unit = explored.scale(name)
        x = clean[0]
        if (how := settings.corrupted.get(name)) is not None:
            x = corrupt(x, how.kind, how.strength, how.seed, deviation)
        drawings[name] = drawing(x, clean[0], mean, deviation, name, unit)
        changed[name] = x[None] if on[column] else np.zeros_like(clean)
    return Shown(changed, seen[None], present, drawings)


def view(
    explored: ExploredRun, sample: Shown, probabilities: Array, row: int | None
) -> dict[str, Any]:
    """Return the answer to a page as plain values.

    Args:
        explored: The run.
        sample: The sample.
        probabilities: What the graph gives, ``(1, M)``.
        row: Its row among the run's samples; None for an upload.
    """
    model = explored.model
    (prediction,) = predictions(probabilities, sample.present, model)
    combination = "+".join(prediction["seen"])
    score, truth = explored.score(combination), None
    if row is not None and explored.samples is not None:
        truth = explored.samples.truth(row)
    return {
        "prediction": prediction,
        "set": _set(explored, probabilities, sample.present),
        "truth": truth,
        "right": _right(prediction, truth),
        "combination": combination,
        "score": None if score is None else {"value": score[0], "n": score[1]},
        "advice": _advice(explored, sample, probabilities, combination),
        "drawings": sample.drawings,
    }


def _right(prediction: Mapping[str, Any], truth: Any) -> bool | None:  # noqa: ANN401
    """Return whether a class or labels are right; None for numbers, or without the truth."""
    if truth is None or "numbers" in prediction:
        return None
    return bool(prediction.get("class", prediction.get("labels")) == truth)


def _set(explored: ExploredRun, probabilities: Array, present: Array) -> list[str] | None:
    """Return the classes that hold the true one at `LEVEL`; None where that is not known."""
    if explored.confidence is None:
        return None
    import torch

    inside = explored.confidence.sets(
        torch.from_numpy(probabilities), torch.from_numpy(present), LEVEL
    )
    pairs = zip(explored.model.classes, inside[0].tolist(), strict=True)
    return [name for name, belongs in pairs if belongs]


def _advice(
    explored: ExploredRun, sample: Shown, probabilities: Array, combination: str
) -> dict[str, Any] | None:
    """Return the missing modality that helps most, by how much, and who says so.

    By validation samples that were predicted as this class, as `Confidence.advise` does; without
    these by the run's table.
    """
    if sample.present.all() or explored.model.fixed:
        return None
    names = explored.model.names
    if explored.confidence is not None:
        import torch

        which, gain, error = explored.confidence.advise(
            torch.from_numpy(probabilities), torch.from_numpy(sample.present)
        )
        if (column := int(which[0])) >= 0:
            by = {"gain": float(gain[0]), "error": float(error[0]), "by": "validation"}
            return {"modality": names[column], "at_hand": bool(sample.has[column]), **by}
    now = explored.score(combination)
    if now is None:
        return None
    sign = -1 if lower_is_better(explored.model.metadata["scores"]["metric"]) else 1
    gains: dict[int, float] = {}
    for column in np.flatnonzero(~sample.present[0]).tolist():
        wider = sample.present[0].copy()
        wider[column] = True
        joined = "+".join(name for name, has in zip(names, wider, strict=True) if has)
        if (then := explored.score(joined)) is not None:
            gains[column] = sign * (then[0] - now[0])
    if not gains:
        return None
    best = max(gains, key=gains.__getitem__)
    by = {"gain": gains[best], "error": None, "by": "table"}
    return {"modality": names[best], "at_hand": bool(sample.has[best]), **by}


def about(explored: ExploredRun) -> dict[str, Any]:
    """Return what a page has to know before its first view, as plain values."""
    model, samples = explored.model, explored.samples
    scores = model.metadata.get("scores", {})
    metric = str(scores.get("metric", "accuracy"))
    return {
        "method": model.metadata["method"],
        "dataset": model.metadata["dataset"],
        "target": model.target,
        "classes": list(model.classes),
        "modalities": [
            {
                "name": one.name,
                "shape": list(one.shape),
                "reads": explored.reads(one.name),
                "unit": explored.scale(one.name)[2],
            }
            for one in model.inputs
        ],
        "fixed": model.fixed,
        "calibrated": bool(model.metadata.get("calibrated")),
        "level": LEVEL,
        "score": {
            "label": score_label(metric),
            "rate": is_rate(metric),
            "lower_is_better": lower_is_better(metric),
            "split": scores.get("split", "test"),
        },
        "samples": None
        if samples is None
        else {"number": len(samples), "split": samples.split, "labels": samples.has_labels},
        "without": explored.without,
        "corruptions": [
            {"name": one.name, "text": one.text, "unit": one.unit, "most": one.most}
            for one in CORRUPTIONS
        ],
    }
