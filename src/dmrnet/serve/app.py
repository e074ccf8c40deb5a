"""The service: its paths over HTTP and its answers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.serve.answers import predictions
from dmrnet.serve.asking import probabilities_of, read_request
from dmrnet.serve.batching import Batcher
from dmrnet.serve.guard import HEALTH, HostMiddleware, TokenMiddleware, error_response
from dmrnet.serve.limits import Limits
from dmrnet.serve.metrics import Metrics
from dmrnet.serve.model import ServedModel
from dmrnet.serve.samples import Parts, assemble, read_json, read_parts
from dmrnet.serve.schema import request_schema, responses


def create_app(
    model: ServedModel,
    limits: Limits | None = None,
    hosts: Collection[str] = (),
    open_paths: Collection[str] = (),
) -> FastAPI:
    """Return the service of a graph, as an ASGI application.

    Args:
        model: The graph.
        limits: Limits, and the token; see `Limits`.
        hosts: Names under which it answers, such as ``localhost``; requests to others are refused.
            Empty: any.
        open_paths: Paths that need no token, besides ``/healthz``.
    """
    from dmrnet import __version__

    limits = limits or Limits()

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
    metrics = Metrics(model.names, lambda: app.state.batcher.waiting)

    async def health() -> dict[str, str]:
        """Whether the service answers."""
        return {"status": "ok"}

    async def about() -> dict[str, Any]:
        """Modalities with their shapes and units, classes, and the score on each combination."""
        return model.metadata

    async def counted() -> Response:
        """Counters in the text format of Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    _add_predict(app, model, limits, metrics)
    app.add_api_route(HEALTH, health, methods=["GET"])
    app.add_api_route("/model", about, methods=["GET"])
    app.add_api_route("/metrics", counted, methods=["GET"], response_class=Response)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(Exception, _server_error)
    if limits.token is not None:
        open_all = (HEALTH, *open_paths)
        app.add_middleware(TokenMiddleware, token=limits.token, open_paths=open_all)
    if hosts:
        app.add_middleware(HostMiddleware, hosts=hosts)
    return app


def _add_predict(app: FastAPI, model: ServedModel, limits: Limits, metrics: Metrics) -> None:
    """Answer requests to /predict, and count them."""

    def read(body: bytes, parts: Parts | None) -> tuple[dict[str, Array], Array]:
        if parts is None:
            return assemble(read_json(body, model, limits.batch), model)
        return assemble([read_parts(parts, model)], model)

    async def answer(request: Request) -> JSONResponse:
        inputs, present = await read_request(request, limits, len(model.inputs) + 1, read)
        probabilities = await probabilities_of(inputs, present, app.state.batcher, limits)
        metrics.predicted(present)
        return JSONResponse({"predictions": predictions(probabilities, present, model)})

    async def predict(request: Request) -> Response:
        """Predict samples, each from the modalities that it has."""
        start, status = time.perf_counter(), 500
        try:
            response = await answer(request)
            status = response.status_code
            return response
        except HTTPException as error:
            status = error.status_code
            raise
        finally:
            metrics.requests.labels(status).inc()
            metrics.seconds.observe(time.perf_counter() - start)

    app.add_api_route(
        "/predict",
        predict,
        methods=["POST"],
        response_class=JSONResponse,
        responses=responses(model, limits.token is not None),
        openapi_extra={"requestBody": request_schema(model, limits)},
    )


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return error_response(error.status_code, str(error.detail), error.headers)


async def _bad_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = first["loc"][-1] if first["loc"] else "request"
    return error_response(422, f"{where}: {first['msg']}")


async def _server_error(request: Request, error: Exception) -> Response:
    return error_response(500, "something failed; the service's log says what")
