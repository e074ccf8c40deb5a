"""The description of a service in OpenAPI: what a request holds, and what comes back."""

from __future__ import annotations

from typing import Any

from dmrnet.serve.limits import Limits
from dmrnet.serve.model import Input, ServedModel

ERRORS = {
    400: "The body is no JSON, or no multipart, or cut short.",
    401: "The token is missing or wrong.",
    408: "The request took too long to arrive.",
    413: "The request is too large.",
    415: "The body is neither JSON nor multipart.",
    422: "A sample cannot be predicted.",
    500: "The graph failed.",
    503: "Too many samples wait, or the service is shutting down.",
    504: "The prediction took too long.",
}


def request_schema(model: ServedModel, limits: Limits) -> dict[str, Any]:
    """Return the schema of a request to /predict."""
    sample: dict[str, Any] = {
        "type": "object",
        "properties": {one.name: _numbers(one) for one in model.inputs},
        "additionalProperties": False,
        "minProperties": 1,
    }
    if model.fixed:
        sample["required"] = [one.name for one in model.inputs]
    body = {
        "type": "object",
        "properties": {
            "samples": {
                "type": "array",
                "items": sample,
                "minItems": 1,
                "maxItems": limits.batch,
            }
        },
        "required": ["samples"],
        "additionalProperties": False,
    }
    parts = {
        "type": "object",
        "properties": {
            one.name: {
                "type": "string",
                "format": "binary",
                "description": f"{list(one.shape)} as .npy"
                + (", or PNG" if _is_image(one) else ""),
            }
            for one in model.inputs
        },
        "minProperties": 1,
    }
    return {
        "required": True,
        "content": {
            "application/json": {"schema": body},
            "multipart/form-data": {"schema": parts},
        },
    }


def _numbers(one: Input) -> dict[str, Any]:
    kind: Any = ["number", "null"] if one.gaps else "number"
    schema: dict[str, Any] = {"type": kind, "minimum": -1e9, "maximum": 1e9}
    for axis, length in reversed(list(enumerate(one.shape))):
        least = 1 if one.ragged and axis == len(one.shape) - 1 else length
        schema = {"type": "array", "items": schema, "minItems": least, "maxItems": length}
    return schema


def _is_image(one: Input) -> bool:
    return len(one.shape) == 3 and one.shape[0] in (1, 3, 4)


def responses(model: ServedModel, token: bool) -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of the answers of /predict."""
    probability = {"type": "number", "minimum": 0, "maximum": 1}
    prediction = {
        "type": "object",
        "properties": {
            "class": {"type": "string", "enum": list(model.classes)},
            "probability": probability,
            "probabilities": {
                "type": "object",
                "properties": {name: probability for name in model.classes},
                "required": list(model.classes),
            },
            "seen": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["class", "probability", "probabilities", "seen"],
    }
    good = {
        "type": "object",
        "properties": {"predictions": {"type": "array", "items": prediction}},
        "required": ["predictions"],
    }
    error = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    found: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "A prediction for each sample, in order.",
            "content": {"application/json": {"schema": good}},
        }
    }
    for status, text in ERRORS.items():
        if status != 401 or token:
            content = {"application/json": {"schema": error}}
            found[status] = {"description": text, "content": content}
    return found
