"""Answers of a service: classes, labels or numbers of samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.serve.model import ServedModel


def decided(probabilities: Array, present: Array, model: ServedModel) -> Array:
    """Return what is predicted, at the run's own thresholds where it has some; see `decide`.

    Args:
        probabilities: float ``(n, M)``; numbers in regression.
        present: bool ``(n, V)``.
        model: The graph that predicted them.
    """
    own = model.metadata.get("thresholds")
    if own is None:
        return decide(probabilities, model.target)
    names = np.array(model.names)
    masks, which = np.unique(present, axis=0, return_inverse=True)
    limits = np.array([own["values"].get("+".join(names[mask]), 0.5) for mask in masks])
    accepts = int(own["accepts"])
    accepted = probabilities[:, accepts].astype(np.float64) > limits[which.ravel()]
    return np.where(accepted, accepts, 1 - accepts)


def decide(probabilities: Array, target: str) -> Array:
    """Return what is predicted, as `dmrnet.targets.Target.decide` does; without torch.

    Args:
        probabilities: float ``(n, M)``; numbers in regression.
        target: What is predicted.

    Returns:
        int64 ``(n,)`` classes, of ordered ones the median; bool ``(n, M)`` labels; or the numbers.

    >>> decide(np.array([[0.4, 0.2, 0.4]]), "ordinal").tolist()
    [1]
    """
    if target == "regression":
        return probabilities
    if target == "multi-label":
        return np.asarray(probabilities > 0.5)
    if target == "ordinal":
        below = probabilities[:, :-1].cumsum(1, dtype=probabilities.dtype) < 0.5
        return np.asarray(below.sum(1))
    return np.asarray(probabilities.argmax(1))


def predictions(probabilities: Array, present: Array, model: ServedModel) -> list[dict[str, Any]]:
    """Return the answer for each sample as plain values.

    Args:
        probabilities: float ``(n, M)``; numbers in regression.
        present: bool ``(n, V)``.
        model: The graph that predicted them.
    """
    seen = [[n for n, has in zip(model.names, row, strict=True) if has] for row in present.tolist()]
    choices = decided(probabilities, present, model).tolist()
    rows = probabilities.tolist()
    return [
        {**_one(row, choice, model), "seen": these}
        for row, choice, these in zip(rows, choices, seen, strict=True)
    ]


def _one(row: list[float], choice: Any, model: ServedModel) -> dict[str, Any]:  # noqa: ANN401
    named = dict(zip(model.classes, row, strict=True))
    if model.target == "regression":
        return {"numbers": named}
    if model.target == "multi-label":
        labels = [name for name, has in zip(model.classes, choice, strict=True) if has]
        return {"labels": labels, "probabilities": named}
    return {
        "class": model.classes[choice],
        "probability": row[choice],
        "probabilities": named,
    }


def prediction_schema(model: ServedModel) -> dict[str, Any]:
    """Return the schema of one answer in OpenAPI."""
    probability = {"type": "number", "minimum": 0, "maximum": 1}
    text = {"type": "string", "enum": list(model.classes)}

    def named(value: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {name: value for name in model.classes},
            "required": list(model.classes),
        }

    by_target: dict[str, dict[str, Any]] = {
        "classes": {
            "class": text,
            "probability": probability,
            "probabilities": named(probability),
        },
        "multi-label": {
            "labels": {"type": "array", "items": text},
            "probabilities": named(probability),
        },
        "regression": {"numbers": named({"type": "number"})},
    }
    properties = by_target["classes" if model.target == "ordinal" else model.target]
    properties["seen"] = {"type": "array", "items": {"type": "string"}}
    return {"type": "object", "properties": properties, "required": list(properties)}
