"""The way of a request to probabilities: its body, the queue, and errors."""

from __future__ import annotations

import asyncio

import numpy as np
from fastapi import Request
from starlette.exceptions import HTTPException

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.serve.batching import Batcher, ClosedError, PredictionError, QueueFullError
from dmrnet.serve.body import LARGE, read_body, read_form
from dmrnet.serve.limits import Limits
from dmrnet.serve.model import ServedModel
from dmrnet.serve.samples import BadSampleError, assemble, read_json, read_parts

JSON, MULTIPART = "application/json", "multipart/form-data"


async def body_of(request: Request, limits: Limits) -> tuple[str, bytes]:
    """Return the content type and the body of a request.

    Raises:
        HTTPException: If the type is neither of two (415), or the body is too large or slow.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (JSON, MULTIPART):
        raise HTTPException(
            415, f"expected the content type {JSON} or {MULTIPART}, got {kind[:60] or 'none'}"
        )
    return kind, await read_body(request, limits)


async def samples_of(
    request: Request, model: ServedModel, limits: Limits
) -> tuple[dict[str, Array], Array]:
    """Return the inputs of a graph and presence, from a request to /predict.

    Raises:
        HTTPException: If something is wrong; it has the status and one line.
    """
    kind, body = await body_of(request, limits)
    parts = None
    if kind == MULTIPART:
        parts = await read_form(request, body, len(model.inputs) + 1)

    def read() -> tuple[dict[str, Array], Array]:
        if parts is not None:
            return assemble([read_parts(parts, model)], model)
        return assemble(read_json(body, model, limits.batch), model)

    try:
        return read() if len(body) <= LARGE else await asyncio.to_thread(read)
    except BadSampleError as error:
        raise HTTPException(422, str(error)) from error


async def probabilities_of(
    inputs: dict[str, Array], present: Array, batcher: Batcher, limits: Limits
) -> Array:
    """Return the probabilities of samples, float ``(b, M)``; numbers in regression.

    Raises:
        HTTPException: If the queue is full, the graph fails or takes too long, or a sample has no
            finite answer.
    """
    try:
        probabilities = await batcher.predict(inputs, present)
    except QueueFullError:
        raise HTTPException(
            503, f"more than {limits.queue} samples wait; try again", {"Retry-After": "1"}
        ) from None
    except ClosedError:
        raise HTTPException(503, "the service is shutting down") from None
    except TimeoutError:
        raise HTTPException(504, f"not predicted within {limits.seconds:g} s") from None
    except PredictionError:
        raise HTTPException(500, "the graph failed; the service's log says how") from None
    lost = np.flatnonzero(~np.isfinite(probabilities).all(1))
    if len(lost):
        raise HTTPException(
            422,
            f"sample {int(lost[0])}: numbers too far from those of training to be predicted; check "
            "their units",
        )
    return probabilities
