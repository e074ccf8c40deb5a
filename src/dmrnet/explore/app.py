"""The service of a graph with a page on top: its files, its samples, its views."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from importlib.resources import files
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.explore.run import ExploredRun
from dmrnet.explore.search import MOST, SampleSearch
from dmrnet.explore.settings import PART, ViewSettings, read_settings, settings_schema
from dmrnet.explore.view import Shown, about, shown, view
from dmrnet.serve.app import create_app
from dmrnet.serve.asking import JSON, MULTIPART, probabilities_of, read_request
from dmrnet.serve.limits import Limits
from dmrnet.serve.samples import BadSampleError, Parts, assemble, read_parts
from dmrnet.serve.schema import error_responses, parts_schema

PAGE = {
    "/": ("text/html", ("dmrnet.explore/page.html",)),
    # The look of reports, and what this page has of its own.
    "/explore.css": ("text/css", ("dmrnet.report.pages.html/look.css", "dmrnet.explore/page.css")),
    "/explore.js": ("text/javascript", ("dmrnet.explore/page.js",)),
}
"""Kind and files of the page by path; they hold no data, so they need no token."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def create_explorer(
    explored: ExploredRun, limits: Limits | None = None, hosts: Collection[str] = ()
) -> FastAPI:
    """Return the service of a graph with a page to explore it, as an ASGI application.

    Args:
        explored: The run; see `open_explored`.
        limits: Limits, and the token; see `Limits`.
        hosts: Names under which it answers; see `dmrnet.serve.create_app`.
    """
    limits = limits or Limits()
    model = explored.model
    app = create_app(model, limits, hosts, open_paths=PAGE)
    search = None if explored.samples is None else SampleSearch(explored, explored.samples, limits)

    async def describe() -> dict[str, Any]:
        """Facts that the page needs first: modalities, classes, corruptions, samples."""
        return about(explored)

    async def samples(
        start: Annotated[int, Query(ge=0, le=2**53)] = 0,
        number: Annotated[int, Query(ge=1, le=MOST)] = 50,
        label: Annotated[str | None, Query()] = None,
        wrong: Annotated[bool, Query()] = False,
    ) -> dict[str, Any]:
        """Samples of the run from a row on, of one class, only those predicted wrongly."""
        if search is None:
            raise HTTPException(404, f"there are no samples: {explored.without}")
        try:
            return await search.page(app.state.batcher, start, number, label, wrong)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error

    def read(body: bytes, parts: Parts | None) -> tuple[ViewSettings, Shown]:
        settings, inputs, present = _read(explored, body, parts)
        return settings, shown(explored, inputs, present, settings)

    async def look(request: Request) -> Response:
        """Draw and predict one sample of the run, or one uploaded, under settings."""
        settings, sample = await read_request(
            request, limits, len(model.inputs) + 2, read, in_thread=True
        )
        probabilities = await probabilities_of(
            sample.inputs, sample.present, app.state.batcher, limits
        )
        answer = await asyncio.to_thread(view, explored, sample, probabilities, settings.sample)
        return JSONResponse(answer)

    app.add_api_route("/explore", describe, methods=["GET"])
    errors = error_responses(limits.token is not None)
    app.add_api_route(
        "/explore/samples",
        samples,
        methods=["GET"],
        responses={**errors, 404: {**errors[422], "description": "There are no samples."}},
    )
    app.add_api_route(
        "/explore/view",
        look,
        methods=["POST"],
        response_class=JSONResponse,
        responses=errors,
        openapi_extra={"requestBody": {"required": True, "content": _content(explored)}},
    )
    for path, (kind, parts) in PAGE.items():
        _add_file(app, path, kind, parts)
    return app


def _content(explored: ExploredRun) -> dict[str, Any]:
    """Return the schemas of a request for a view: of a sample of the run, and of an upload."""
    samples = explored.samples
    settings = settings_schema(explored.model.names, 0 if samples is None else len(samples))
    upload = parts_schema(explored.model)
    for name, part in upload["properties"].items():
        part["description"] += f"; {', '.join(explored.reads(name))}"
    text = {"type": "string", "description": "the settings, as JSON, without a sample"}
    upload["properties"] = {**upload["properties"], PART: text}
    return {
        JSON: {"schema": {**settings, "required": ["sample"]}},
        MULTIPART: {"schema": upload},
    }


def _read(
    explored: ExploredRun, body: bytes, parts: Parts | None
) -> tuple[ViewSettings, dict[str, Array], Array]:
    """Return settings, inputs ``(1, *shape)`` and the present modalities, bool ``(V,)``."""
    names = explored.model.names
    if parts is not None:
        given = [content for name, content in parts if name == PART]
        if len(given) > 1:
            raise BadSampleError(f"expected one part {PART}, got {len(given)}")
        settings = read_settings(given[0], names) if given else ViewSettings()
        if settings.sample is not None:
            raise BadSampleError("expected no number of a sample with an upload")
        files = [part for part in parts if part[0] != PART]
        arrays = read_parts(files, explored.model, explored.decoders)
        inputs, present = assemble([arrays], explored.model)
        return settings, inputs, present[0]
    settings = read_settings(body, names)
    samples = explored.samples
    if samples is None:
        raise BadSampleError(f"there are no samples: {explored.without}")
    row = settings.sample
    if row is None or not 0 <= row < len(samples):
        raise BadSampleError(f"sample: expected a number from 0 to {len(samples) - 1}, got {row}")
    try:
        inputs, present = samples.take(np.array([row]))
    except (OSError, ValueError) as error:
        raise BadSampleError(f"sample {row} cannot be read: {error}") from error
    return settings, inputs, present[0]


def _add_file(app: FastAPI, path: str, kind: str, parts: tuple[str, ...]) -> None:
    """Answer a path with some files of this package, one after the other."""
    places = (part.split("/") for part in parts)
    content = b"".join(files(package).joinpath(name).read_bytes() for package, name in places)

    async def file() -> Response:
        return Response(content, media_type=f"{kind}; charset=utf-8", headers=HEADERS)

    app.add_api_route(path, file, methods=["GET"], include_in_schema=False)
