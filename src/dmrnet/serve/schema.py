"""The description of a service in OpenAPI: what a request holds, and what comes back."""

from __future__ import annotations

from typing import Any

from dmrnet.serve.answers import prediction_schema
from dmrnet.serve.limits import Limits
from dmrnet.serve.model import Input, ServedModel

ERRORS = {
    400: "The body is no JSON, or no multipart, or cut short.",
    401: "The token is missing or wrong.",
    408: "The request took too long to arrive.",
    413: "The request is too large.",
    415: "The body is neither JSON nor multipart.",
    421: "The request names another host.",
    422: "A sample cannot be predicted.",
    500: "The graph failed.",
    503: "Too many samples wait, or the service is shutting down.",
    504: "The prediction took too long.",
}


def request_schema(model: ServedModel, limits: Limits) -> dict[str, Any]:
    """Return the schema of a request to /predict."""
    sample: dict[str, Any] = {
        "type": "object",
        "properties": {one.name: _numbers(one, model.fixed) for one in model.inputs},
        "additionalProperties": False,
        "minProperties": 1,
    }
    if model.fixed:
        sample["required"] = list(model.names)
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
    return {
        "required": True,
        "content": {
            "application/json": {"schema": body},
            "multipart/form-data": {"schema": parts_schema(model)},
        },
    }


def parts_schema(model: ServedModel) -> dict[str, Any]:
    """Return the schema of a multipart body of one sample."""
    return {
        "type": "object",
        "properties": {
            one.name: {
                "type": "string",
                "format": "binary",
                "description": f"{list(one.shape)} as .npy"
                + (", or PNG" if one.is_image else "")
                + (", or CSV" if len(one.shape) <= 2 else ""),
            }
            for one in model.inputs
        },
        "minProperties": 1,
    }


def _numbers(one: Input, needed: bool) -> dict[str, Any]:
    """Return the schema of a modality; null is absence."""
    kind: Any = ["number", "null"] if one.gaps else "number"
    schema: dict[str, Any] = {"type": kind}
    for axis, length in reversed(list(enumerate(one.shape))):
        least = 1 if one.ragged and axis == len(one.shape) - 1 else length
        schema = {"type": "array", "items": schema, "minItems": least, "maxItems": length}
    return schema if needed else {**schema, "type": ["array", "null"]}


def responses(model: ServedModel, token: bool) -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of the answers of /predict."""
    good = {
        "type": "object",
        "properties": {"predictions": {"type": "array", "items": prediction_schema(model)}},
        "required": ["predictions"],
    }
    answer = {
        "description": "A prediction for each sample, in order.",
        "content": {"application/json": {"schema": good}},
    }
    return {200: answer, **error_responses(token)}


def error_responses(token: bool) -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of errors; of a wrong token only where there is one."""
    schema = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    content = {"application/json": {"schema": schema}}
    return {
        status: {"description": text, "content": content}
        for status, text in ERRORS.items()
        if status != 401 or token
    }
