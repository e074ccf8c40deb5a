"""``dmrnet serve``: answer predictions over HTTP."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from dmrnet.cli.arguments import Arguments, positive

if TYPE_CHECKING:
    import socket

    from dmrnet.serve.limits import Limits

PACKAGES = {
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "python_multipart": "python-multipart",
    "prometheus_client": "prometheus-client",
}


def run(argv: Sequence[str]) -> int:
    """Serve a run until it is stopped."""
    parser = Arguments(
        "dmrnet serve",
        "Answer predictions over HTTP: POST /predict takes any subset of modalities as JSON or "
        "multipart. Needs the extra serve. It runs the graph that dmrnet export writes; requests "
        "that come while it predicts are predicted together next.",
    )
    parser.add_argument("run", metavar="RUN", help="folder of a finished run, or an exported file")
    add_service(parser)
    args = parser.read(argv)
    limits, listener = opened(args, "dmrnet serve")

    from dmrnet.cli.screen import loading, screen

    with listener:
        with loading():
            from dmrnet.serve.app import create_app
            from dmrnet.serve.model import load_model
            from dmrnet.serve.server import CONNECTIONS, address_of, run_server

            model = load_model(Path(args.run), args.threads or 0)
            model.warm_up(limits.batch)
            names = ", ".join(one.name for one in model.inputs)
            what = {"multi-label": "labels", "regression": "numbers"}.get(model.target, "classes")
        # Who reads the address may ask at once: connections wait until the service runs.
        listener.listen(CONNECTIONS)
        screen().print(
            f"predicts {len(model.classes)} {what} from any of {names}\n"
            f"POST http://{address_of(listener)}/predict (Ctrl-C ends it)",
            soft_wrap=True,
        )
        run_server(create_app(model, limits, hosts_of(args.host, limits)), listener, limits)
    return 0


def add_service(parser: Arguments) -> None:
    """Add the options of a service: where it listens, who may ask, and its limits."""
    add = parser.options.add_argument
    add("--host", default="127.0.0.1", help="address to listen on [127.0.0.1, this machine alone]")
    add("--port", type=port_number, default=8000, metavar="INT", help="port [8000]")
    add(
        "--token-file",
        metavar="FILE",
        help="file with the token that requests must carry; needed for other hosts [DMRNET_TOKEN]",
    )
    add("--batch", type=positive, default=64, metavar="INT", help="samples predicted together [64]")
    add("--queue", type=positive, default=1024, metavar="INT", help="samples that may wait [1024]")
    add("--seconds", type=positive, default=10, metavar="INT", help="time for a request [10]")
    add("--megabytes", type=positive, default=16, metavar="INT", help="size of a request [16]")
    add(
        "--threads",
        type=positive,
        metavar="INT",
        help="threads of a prediction [onnxruntime's choice]",
    )


def opened(args: argparse.Namespace, command: str) -> tuple[Limits, socket.socket]:
    """Return the limits and the socket of a service, checked before anything slow is loaded.

    Args:
        args: What `add_service` added.
        command: Name of the command, for messages.

    Raises:
        ModuleNotFoundError: If the extra ``serve`` is not installed.
        ValueError: If the limits make no sense, a token is missing, or the port is taken.
    """
    for module, package in PACKAGES.items():
        if find_spec(module) is None:
            raise ModuleNotFoundError(
                f"{command} needs {package}: pip install 'dmrnet[serve]'", name=module
            )
    from dmrnet.serve.limits import Limits, check_exposure
    from dmrnet.serve.server import bind, read_token

    token = read_token(args.token_file)
    check_exposure(args.host, token)
    limits = Limits(args.batch, args.queue, args.seconds, args.megabytes, token)
    return limits, bind(args.host, args.port)


def hosts_of(host: str, limits: Limits) -> tuple[str, ...]:
    """Return the names that requests may give a service; without a token those of this machine."""
    return () if limits.token is not None else ("localhost", "127.0.0.1", "::1", host)


def port_number(text: str) -> int:
    """Read a port, for argparse."""
    if not text.isdecimal() or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, got {text!r}")
    return int(text)
