"""The service in a process of its own: SIGTERM answers what is asked, refuses the rest, ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

import httpx
import pytest

pytestmark = pytest.mark.slow

SECONDS = 5
SCRIPT = """
import sys, time
import numpy as np
from dmrnet.cli.failures import guarded
from dmrnet.engine.training.processes import exit_process
from dmrnet.serve import Limits, ServedModel, create_app
from dmrnet.serve.server import address_of, bind, run_server

slow = float(sys.argv[1])
about = {"method": "", "dataset": "", "use": "", "dense": False, "fixed": False,
         "classes": ["a", "b"], "inputs": [{"name": "x", "shape": [1], "dtype": "float32"}]}

def run(inputs, present):
    if (inputs["x"] >= 0).any():
        time.sleep(slow)
    p = np.concatenate([inputs["x"], 1 - inputs["x"]], 1)
    return p, p

limits = Limits(batch=2, queue=64, seconds=float(sys.argv[2]))
with bind("127.0.0.1", 0) as listener:
    app = create_app(ServedModel(run, about), limits)
    print(address_of(listener), flush=True)
    exit_process(guarded(lambda: run_server(app, listener, limits) or 0))
"""


@contextmanager
def served(slow: float) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A service whose graph takes some seconds a batch, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(slow), str(SECONDS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        for _ in range(200):
            try:
                httpx.get(f"http://{address}/healthz")
                break
            except httpx.ConnectError:
                time.sleep(0.05)
        yield process, address
    finally:
        process.kill()
        process.communicate()


def ask(address: str, number: float) -> httpx.Response:
    body = {"samples": [{"x": [number]}]}
    return httpx.post(f"http://{address}/predict", json=body, timeout=30)


def accepted(address: str) -> float:
    """Number of samples that wait, or were taken from the queue."""
    lines = httpx.get(f"http://{address}/metrics").text.splitlines()
    counts = dict(line.rsplit(" ", 1) for line in lines)
    return float(counts["dmrnet_waiting_samples"]) + float(counts["dmrnet_batch_rows_sum"])


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_answers_what_is_asked_and_refuses_the_rest(sent: signal.Signals) -> None:
    numbers = [k / 16 for k in range(9)]
    with served(0.3) as (process, address), ThreadPoolExecutor(len(numbers)) as pool:
        asked = [pool.submit(ask, address, number) for number in numbers]
        while accepted(address) < len(numbers):
            time.sleep(0.01)
        start = time.monotonic()
        process.send_signal(sent)
        time.sleep(0.4)
        assert wait(asked, 0).not_done
        host, port = address.split(":")
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((host, int(port)), 1)
        for number, one in zip(numbers, asked, strict=True):
            answer = one.result(20)
            assert answer.status_code == 200
            said = answer.json()["predictions"][0]["probabilities"]["a"]
            assert said == pytest.approx(number)
        code = process.wait(2 * SECONDS)
        assert code == (0 if sent == signal.SIGTERM else 130)
        assert time.monotonic() - start < 2 * SECONDS
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_a_graph_that_hangs_does_not_keep_the_process() -> None:
    with served(3600) as (process, address), ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, address, 0.5)
        time.sleep(0.5)
        start = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert asked.result(20).status_code == 504
        assert process.wait(3 * SECONDS) == 0
        assert time.monotonic() - start < 3 * SECONDS
