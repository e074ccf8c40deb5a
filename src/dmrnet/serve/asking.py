"""The way of a request to probabilities: its body, the queue, and errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from fastapi import Request
from starlette.exceptions import HTTPException

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.serve.batching import Batcher, ClosedError, PredictionError, QueueFullError
from dmrnet.serve.body import LARGE, read_body, read_form
from dmrnet.serve.limits import Limits
from dmrnet.serve.samples import BadSampleError, Parts

JSON, MULTIPART = "application/json", "multipart/form-data"

T = TypeVar("T")


async def read_request(
    request: Request,
    limits: Limits,
    most: int,
    read: Callable[[bytes, Parts | None], T],
    *,
    in_thread: bool = False,
) -> T:
    """Return what a function makes of the body of a request, and of its parts if it is multipart.

    Args:
        request: The request.
        limits: Limits of the service.
        most: Most parts.
        read: The function; a `BadSampleError` of it is answered with 422.
        in_thread: Whether it needs a thread even if the body is small.

    Raises:
        HTTPException: If something is wrong; it has the status and one line.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (JSON, MULTIPART):
        raise HTTPException(
            415, f"expected the content type {JSON} or {MULTIPART}, got {kind[:60] or 'none'}"
        )
    body = await read_body(request, limits)
    parts = await read_form(request, body, most) if kind == MULTIPART else None
    try:
        if in_thread or len(body) > LARGE:
            return await asyncio.to_thread(read, body, parts)
        return read(body, parts)
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
