"""The service: what is asked over HTTP, and what it answers."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.serve.batching import Batcher, ClosedError, PredictionError, QueueFullError
from dmrnet.serve.body import read_body, read_form
from dmrnet.serve.limits import Limits
from dmrnet.serve.metrics import Metrics
from dmrnet.serve.model import ServedModel
from dmrnet.serve.samples import BadSampleError, assemble, read_json, read_parts
from dmrnet.serve.schema import request_schema, responses

log = logging.getLogger(__name__)

OPEN = ("/healthz",)
"""Paths that need no token."""

LARGE = 64_000
"""Bodies above this number of bytes are read in a thread, so that others need not wait."""


def create_app(model: ServedModel, limits: Limits | None = None) -> FastAPI:
    """Return the service of a graph, as an ASGI application.

    Args:
        model: The graph.
        limits: Limits, and the token; see `Limits`.
    """
    from dmrnet import __version__

    limits = limits or Limits()
    names = tuple(one.name for one in model.inputs)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        batcher = Batcher(model, limits, lambda rows: metrics.rows.observe(rows))
        app.state.batcher = batcher
        batcher.start()
        yield
        await batcher.close()

    app = FastAPI(
        title="dmrnet",
        summary=f"{model.metadata['method']} on {model.metadata['dataset']}",
        description=model.metadata["use"],
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    metrics = Metrics(names, lambda: app.state.batcher.waiting)

    async def predict(request: Request) -> Response:
        """Predict samples, each from the modalities that it has."""
        start = time.perf_counter()
        try:
            response = await _answer(request, app.state.batcher, model, limits, metrics)
        except HTTPException as error:
            response = _error(error.status_code, str(error.detail), error.headers)
        metrics.requests.labels(response.status_code).inc()
        metrics.seconds.observe(time.perf_counter() - start)
        return response

    async def health() -> dict[str, str]:
        """Whether the service answers."""
        return {"status": "ok"}

    async def about() -> dict[str, Any]:
        """Modalities with their shapes and units, classes, and the score on each combination."""
        return model.metadata

    async def counted() -> Response:
        """Counters in the text format of Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    app.add_api_route(
        "/predict",
        predict,
        methods=["POST"],
        response_class=JSONResponse,
        responses=responses(model, limits.token is not None),
        openapi_extra={"requestBody": request_schema(model, limits)},
    )
    app.add_api_route("/healthz", health, methods=["GET"])
    app.add_api_route("/model", about, methods=["GET"])
    app.add_api_route("/metrics", counted, methods=["GET"], response_class=Response)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _server_error)
    if limits.token is not None:
        app.add_middleware(TokenMiddleware, token=limits.token)
    return app


async def _answer(
    request: Request, batcher: Batcher, model: ServedModel, limits: Limits, metrics: Metrics
) -> JSONResponse:
    """Return the predictions of a request.

    Raises:
        HTTPException: With the status and the line of whatever is wrong.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/json", "multipart/form-data"):
        got = kind[:60] or "none"
        raise HTTPException(
            415, f"expected the content type application/json or multipart/form-data, got {got}"
        )
    body = await read_body(request, limits)
    try:
        if kind == "application/json":
            inputs, present = await _read(body, model, limits)
        else:
            parts = await read_form(request, body, len(model.inputs) + 1)
            inputs, present = assemble([read_parts(parts, model)], model)
    except BadSampleError as error:
        raise HTTPException(422, str(error)) from error
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
    lost = np.flatnonzero(np.isnan(probabilities).any(1))
    if len(lost):
        raise HTTPException(
            422,
            f"sample {int(lost[0])}: numbers too far from those of training to be predicted; check "
            "their units",
        )
    metrics.predicted(present)
    return JSONResponse({"predictions": _predictions(probabilities, present, model)})


async def _read(body: bytes, model: ServedModel, limits: Limits) -> tuple[dict[str, Array], Array]:
    def read() -> tuple[dict[str, Array], Array]:
        return assemble(read_json(body, model, limits.batch), model)

    return read() if len(body) <= LARGE else await asyncio.to_thread(read)


def _predictions(probabilities: Array, present: Array, model: ServedModel) -> list[dict[str, Any]]:
    names = [one.name for one in model.inputs]
    best = probabilities.argmax(1)
    return [
        {
            "class": model.classes[k],
            "probability": row[k],
            "probabilities": dict(zip(model.classes, row, strict=True)),
            "seen": [name for name, there in zip(names, seen, strict=True) if there],
        }
        for row, k, seen in zip(
            probabilities.tolist(), best.tolist(), present.tolist(), strict=True
        )
    ]


def _error(status: int, text: str, headers: Any = None) -> JSONResponse:  # noqa: ANN401
    return JSONResponse({"error": " ".join(text.split())}, status, headers)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, str(error.detail), error.headers)


async def _server_error(request: Request, error: Exception) -> Response:
    return _error(500, "something failed; the service's log says what")


class TokenMiddleware:
    """Refuses requests without the token, before their body is read.

    Args:
        app: The application.
        token: The token.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app, self.expected = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 401."""
        if scope["type"] == "http" and scope["path"] not in OPEN:
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self.expected):
                text = "expected the header Authorization: Bearer TOKEN"
                answer = _error(401, text, {"WWW-Authenticate": "Bearer"})
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)
