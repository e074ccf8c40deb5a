"""Who may ask: requests without the token, or for another host, are refused unread."""

from __future__ import annotations

import hmac
from collections.abc import Collection
from typing import Any

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HEALTH = "/healthz"
"""Path that needs no token."""


def error_response(status: int, text: str, headers: Any = None) -> JSONResponse:  # noqa: ANN401
    """Return an error as one line of JSON."""
    return JSONResponse({"error": " ".join(text.split())}, status, headers)


class TokenMiddleware:
    """Refuses requests without the token, before their body is read.

    Args:
        app: The application.
        token: The token.
        open_paths: Paths that need none.
    """

    def __init__(self, app: ASGIApp, token: str, open_paths: Collection[str] = (HEALTH,)) -> None:
        self.app, self.expected = app, f"Bearer {token}".encode()
        self.open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 401."""
        if scope["type"] == "http" and scope["path"] not in self.open_paths:
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self.expected):
                text = "expected the header Authorization: Bearer TOKEN"
                answer = error_response(401, text, {"WWW-Authenticate": "Bearer"})
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)


class HostMiddleware:
    """Refuses requests that name another host than those of this service.

    A page of another site can let its own name point to this machine (DNS rebinding); a browser
    would then let it read what a service without a token answers. The header ``Host`` still has
    that name.

    Args:
        app: The application.
        hosts: Names and addresses of this service, without ports.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self.app, self.hosts = app, frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 421."""
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"host", b"").decode("latin-1").lower()
            if host_in(given) not in self.hosts:
                text = f"this service answers requests to {', '.join(sorted(self.hosts))} only"
                await error_response(421, text)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def host_in(header: str) -> str:
    """Return the host of a header ``Host``, without its port and brackets.

    >>> [host_in(text) for text in ("localhost:8000", "127.0.0.1", "[::1]:80", "[::1]")]
    ['localhost', '127.0.0.1', '::1', '::1']
    """
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]
