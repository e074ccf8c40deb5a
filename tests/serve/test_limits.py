"""Who may listen where, tokens, and the command without its extra."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import Request
from starlette.exceptions import HTTPException

from dmrnet.cli import main
from dmrnet.deploy.export import _check_arguments
from dmrnet.serve import Limits, ServedModel, load_model
from dmrnet.serve.body import read_body
from dmrnet.serve.limits import check_exposure
from dmrnet.serve.model import model_of
from dmrnet.serve.server import address_of, bind, read_token


@pytest.mark.parametrize(
    ("sizes", "stated", "expect", "read"),
    [
        ((600, 600), "1200", False, 3),  # to its end, so that the sender reads the answer
        ((600, 600), "", False, 3),
        ((600,) * 20, "", False, 14),  # but not any size
        ((600,), "9000", False, 0),
        ((600, 600), "1200", True, 0),  # which was not sent yet
    ],
)
def test_large_requests_are_read_away(
    sizes: tuple[int, ...], stated: str, expect: bool, read: int
) -> None:
    headers = [(b"content-length", stated.encode())] if stated else []
    headers += [(b"expect", b"100-continue")] if expect else []
    asked = 0

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        body = b"x" * sizes[asked - 1] if asked <= len(sizes) else b""
        return {"type": "http.request", "body": body, "more_body": asked <= len(sizes)}

    request = Request({"type": "http", "headers": headers}, receive)
    with pytest.raises(HTTPException) as error:
        asyncio.run(read_body(request, Limits(megabytes=0.001)))
    assert (error.value.status_code, asked) == (413, read)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org", "localhost.evil"])
def test_other_machines_need_a_token(host: str) -> None:
    with pytest.raises(ValueError, match="--token-file"):
        check_exposure(host, None)
    check_exposure(host, "secret")


def test_a_token_is_read_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DMRNET_TOKEN", raising=False)
    assert read_token(None) is None
    monkeypatch.setenv("DMRNET_TOKEN", "of the shell")
    assert read_token(None) == "of the shell"
    file = tmp_path / "token"
    with pytest.raises(FileNotFoundError, match="no file"):
        read_token(str(file))
    file.write_text("  of the file\n")
    assert read_token(str(file)) == "of the file"
    file.write_text("\n")
    with pytest.raises(ValueError, match="empty file"):
        read_token(str(file))


@pytest.mark.parametrize(
    "limits",
    [{"batch": 0}, {"queue": 3}, {"seconds": 0}, {"megabytes": -1}, {"token": ""}, {"token": "ü"}],
)
def test_limits_that_make_no_sense_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Limits(**limits)


def test_a_port_that_is_taken_is_one_line_before_anything_is_loaded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with bind("127.0.0.1", 0) as taken:
        # Or asyncio does not set TCP_NODELAY, and every answer waits for the client's system.
        assert taken.proto == socket.IPPROTO_TCP
        taken.listen()
        port = taken.getsockname()[1]
        assert address_of(taken) == f"127.0.0.1:{port}"
        for command in ("serve", "explore"):
            assert main([command, "no run", "--port", str(port)]) == 2
            assert f"cannot listen on 127.0.0.1, port {port}" in capsys.readouterr().err
    with pytest.raises(ValueError, match="choose another port or host"):
        bind("192.0.2.1", 0)


def test_what_cannot_be_served_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="one answer per sample"):
        ServedModel(None, {"dense": True})  # type: ignore[arg-type]
    volumes = SimpleNamespace(
        task=SimpleNamespace(dense=True, axes=3), folder=SimpleNamespace(path="run")
    )
    with pytest.raises(ValueError, match=r"volumes are made by dmrnet predict$"):
        model_of(volumes)  # type: ignore[arg-type]
    # Weights alone can be written.
    _check_arguments(volumes, "safetensors", None, None, None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="graphs of runs on volumes are not supported"):
        _check_arguments(volumes, "onnx", None, None, None)  # type: ignore[arg-type]
    other = tmp_path / "model.onnx"
    other.write_bytes(b"no model")
    with pytest.raises(ValueError, match="expected an ONNX file"):
        load_model(other)
    assert main(["serve", str(other), "--host", "0.0.0.0"]) == 2
    assert "needs a token" in capsys.readouterr().err
    monkeypatch.setattr("dmrnet.cli.serve.find_spec", lambda name: None)
    for command in ("serve", "explore"):
        assert main([command, str(other)]) == 2
        said = capsys.readouterr().err
        assert "pip install 'dmrnet[serve]'" in said
        assert "ModuleNotFoundError" not in said
