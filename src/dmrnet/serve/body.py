"""Bodies of requests: read up to a size and a time, and split into parts."""

from __future__ import annotations

import asyncio

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect
from starlette.types import Message

from dmrnet.serve.limits import Limits

LARGE = 64_000
"""Bodies above this number of bytes are read in a thread, so that others need not wait."""


READ_AWAY = 8
"""Largest request that is read to its end, in multiples of the limit. Nothing of it is kept: a
client that still writes would see a closed connection instead of the answer."""


async def read_body(request: Request, limits: Limits) -> bytes:
    """Return the body of a request.

    Raises:
        HTTPException: If it is larger than the limit (413), takes too long (408) or ends early.
    """
    large = HTTPException(413, f"expected at most {limits.megabytes:g} MB, got a larger request")
    length = request.headers.get("content-length", "")
    stated = int(length) if length.isdecimal() else 0
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(limits.seconds):
            # A client that waits for permission to send gets the answer instead.
            waits = stated > limits.bytes and "expect" in request.headers
            if waits or stated > READ_AWAY * limits.bytes:
                raise large
            async for chunk in request.stream():
                size += len(chunk)
                if size > READ_AWAY * limits.bytes:
                    raise large
                if max(size, stated) <= limits.bytes:
                    body += chunk
                else:
                    body.clear()
        if max(size, stated) > limits.bytes:
            raise large
    except TimeoutError:
        if max(size, stated) > limits.bytes:
            raise large from None
        raise HTTPException(
            408, f"the request did not arrive within {limits.seconds:g} s"
        ) from None
    except ClientDisconnect:
        raise HTTPException(400, "the request ended early") from None
    return bytes(body)


async def read_form(request: Request, body: bytes, most: int) -> list[tuple[str, bytes]]:
    """Return name and content of each part of a multipart body.

    Args:
        request: The request, whose body was read.
        body: Body of the request.
        most: Most parts.

    Raises:
        HTTPException: If it is no multipart body, or has too many parts (400).
    """
    parts = _parts_of(request, body, most)
    if len(body) > LARGE:
        return await asyncio.to_thread(asyncio.run, parts)
    return await parts


async def _parts_of(request: Request, body: bytes, most: int) -> list[tuple[str, bytes]]:
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    again = Request(request.scope, receive)
    parts = []
    try:
        async with again.form(max_files=most, max_fields=most, max_part_size=len(body)) as form:
            for name, value in form.multi_items():
                content = await value.read() if isinstance(value, UploadFile) else value.encode()
                parts.append((name, content))
    except (MultiPartException, HTTPException, KeyError, ValueError, ClientDisconnect) as error:
        reason = getattr(error, "detail", None) or getattr(error, "message", None) or "damaged"
        raise HTTPException(400, f"the multipart body cannot be read: {reason}") from error
    if not parts:
        raise HTTPException(400, "expected a part for each modality that is there, got none")
    return parts
