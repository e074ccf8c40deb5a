"""Measure a service: requests a second and their latency, with answers compared to the graph's.

    python tools/serve_load.py deployed/model.onnx

The service runs in a process of its own with one thread of onnxruntime. Clients send one sample
each, with a random subset of the modalities, over one connection each, and send the next when they
have the answer. Compared are the service as it is, the service without micro-batching (``--batch
1``), and calls of the same graph one at a time in this process, without HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from dmrnet.serve.model import ServedModel, load_model
from dmrnet.serve.samples import assemble

CLIENTS = (1, 8, 64)
KINDS = 256
"""Number of different requests."""

NEAR = 1e-4
"""Largest difference of a probability, between batches of other sizes."""


def requests_of(model: ServedModel) -> tuple[list[bytes], np.ndarray]:
    """Return bodies of requests, and the probabilities that the graph gives for each."""
    draw = np.random.default_rng(0)
    bodies, expected = [], []
    for _ in range(KINDS):
        seen = draw.random(len(model.inputs)) < 0.5
        seen[draw.integers(len(seen))] = True
        sample = {}
        for one, about, there in zip(model.inputs, model.metadata["inputs"], seen, strict=True):
            if there:
                shape = (-1, *[1] * (len(one.shape) - 1))
                mean, std = (
                    np.reshape(about.get(k, d), shape) for k, d in (("mean", 0), ("std", 1))
                )
                sample[one.name] = draw.normal(size=one.shape) * std + mean
        inputs, present = assemble([sample], model)
        expected.append(model.predict(inputs, present)[0])
        plain = {name: array.tolist() for name, array in sample.items()}
        bodies.append(json.dumps({"samples": [plain]}).encode())
    return bodies, np.stack(expected)


async def client(
    port: int, bodies: list[bytes], numbers: list[int], expected: np.ndarray, out: list[float]
) -> int:
    """Send requests over one connection; return the number of wrong answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    wrong = 0
    for number in numbers:
        body = bodies[number]
        head = (
            "POST /predict HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        start = time.perf_counter()
        writer.write(head.encode() + body)
        said = await reader.readuntil(b"\r\n\r\n")
        (length,) = (
            int(line.split(b":")[1])
            for line in said.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        content = await reader.readexactly(length)
        out.append(time.perf_counter() - start)
        if not said.startswith(b"HTTP/1.1 200"):
            wrong += 1
            continue
        got = list(json.loads(content)["predictions"][0]["probabilities"].values())
        wrong += not np.allclose(got, expected[number], atol=NEAR)
    writer.close()
    return wrong


async def load(
    port: int, clients: int, total: int, bodies: list[bytes], expected: np.ndarray
) -> tuple[float, np.ndarray, int]:
    """Return seconds, latencies and the number of wrong answers of some requests."""
    draw = np.random.default_rng(clients)
    times: list[float] = []
    shares = [draw.integers(KINDS, size=total // clients).tolist() for _ in range(clients)]
    start = time.perf_counter()
    wrong = await asyncio.gather(*(client(port, bodies, s, expected, times) for s in shares))
    return time.perf_counter() - start, np.array(times), sum(wrong)


def memory(process: int) -> float:
    """Return the resident memory of a process, in MB."""
    text = Path(f"/proc/{process}/status").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1000


def line(name: str, clients: int, seconds: float, times: np.ndarray, wrong: int) -> None:
    """Write one line of the table."""
    median, late = np.quantile(times, [0.5, 0.99]) * 1000
    sys.stdout.write(
        f"| {name} | {clients} | {len(times) / seconds:.0f} | {median:.2f} | {late:.2f} | "
        f"{wrong} |\n"
    )
    sys.stdout.flush()


def main() -> None:
    """Measure and write a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="file of dmrnet export")
    parser.add_argument("--requests", type=int, default=2048, help="requests of each line [2048]")
    args = parser.parse_args()
    model = load_model(args.model, threads=1)
    bodies, expected = requests_of(model)
    sys.stdout.write("| what | clients | requests/s | median ms | 99 % ms | wrong |\n")
    sys.stdout.write("| --- | ---: | ---: | ---: | ---: | ---: |\n")
    alone(model, bodies, args.requests)
    for name, batch in (("one at a time (`--batch 1`)", 1), ("micro-batching", 64)):
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        command = [sys.executable, "-m", "dmrnet", "serve", str(args.model), "--port", str(port)]
        command += ["--batch", str(batch), "--threads", "1"]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            wait_for(port, server)
            asyncio.run(load(port, 8, 256, bodies, expected))
            before = memory(server.pid)
            for clients in CLIENTS:
                measured = asyncio.run(load(port, clients, args.requests, bodies, expected))
                line(name, clients, *measured)
            grown = memory(server.pid) - before
        finally:
            server.terminate()
            code = server.wait(60)
        sys.stderr.write(f"{name}: memory grew by {grown:.1f} MB, exit code {code}\n")


def alone(model: ServedModel, bodies: list[bytes], number: int) -> None:
    """Measure calls of the graph in this process, one at a time."""
    ready = [
        assemble([{n: np.asarray(x) for n, x in json.loads(b)["samples"][0].items()}], model)
        for b in bodies
    ]
    times = []
    start = time.perf_counter()
    for k in range(number):
        began = time.perf_counter()
        model.predict(*ready[k % KINDS])
        times.append(time.perf_counter() - began)
    line("the graph itself, no HTTP", 1, time.perf_counter() - start, np.array(times), 0)


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait until a service answers."""
    for _ in range(600):
        if server.poll() is not None:
            raise SystemExit("the service ended; its message is above")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the service does not answer")


if __name__ == "__main__":
    main()
