"""A service in a process of its own: it listens, and ends in an orderly way."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from dmrnet.serve.limits import Limits

CONNECTIONS = 1024
"""Most open connections; more are refused."""


def bind(host: str, port: int) -> socket.socket:
    """Return a socket of an address, before anything slow is loaded for it.

    Args:
        host: Address to listen on.
        port: Port; 0 for any that is free.

    Raises:
        ValueError: If the address is not one of this machine, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # With its protocol named, asyncio sends small answers at once; otherwise each waits 40 ms.
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise ValueError(
            f"cannot listen on {host}, port {port}: {error.strerror}; choose another port or "
            "host (--port, --host)"
        ) from error
    return listener


def address_of(listener: socket.socket) -> str:
    """Return ``host:port`` of a socket, as in a URL."""
    host, port, *_ = listener.getsockname()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def run_server(app: FastAPI, listener: socket.socket, limits: Limits) -> None:
    """Answer requests until SIGINT or SIGTERM; what was accepted by then is answered.

    It returns after SIGTERM, at most about `2 * limits.seconds` later.

    Args:
        app: What `create_app` returned.
        listener: What `bind` returned; it is closed at the end.
        limits: Limits of the service.

    Raises:
        KeyboardInterrupt: After SIGINT.
    """
    config = uvicorn.Config(
        app,
        log_level="warning",
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=max(1, round(2 * limits.seconds)),
        server_header=False,
    )
    # When it has ended, the server raises the signal once more, which would kill the process.
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with listener:
            uvicorn.Server(config).run(sockets=[listener])
    finally:
        signal.signal(signal.SIGTERM, before)


def read_token(path: str | None) -> str | None:
    """Return the token in a file, or in the variable ``DMRNET_TOKEN``; None without either.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is empty.
    """
    if path is None:
        return os.environ.get("DMRNET_TOKEN") or None
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {path} with a token")
    token = file.read_text(encoding="utf-8").strip()
    if not token:
        raise ValueError(f"{path}: expected a token, got an empty file")
    return token
