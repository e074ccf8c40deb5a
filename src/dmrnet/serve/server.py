"""A service in a process of its own: it listens, and ends in an orderly way."""

from __future__ import annotations

import os
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from dmrnet.serve.limits import Limits

CONNECTIONS = 1024
"""Most open connections; more are refused."""


def run_server(app: FastAPI, host: str, port: int, limits: Limits) -> None:
    """Answer requests until SIGINT or SIGTERM; what was accepted by then is answered.

    Args:
        app: What `create_app` returned.
        host: Address to listen on.
        port: Port; 0 for any that is free.
        limits: Limits of the service.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=max(1, round(2 * limits.seconds)),
        server_header=False,
    )
    uvicorn.Server(config).run()


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
