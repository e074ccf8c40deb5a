"""Measure a service: requests a second and their latency, with answers compared to the graph's.

    python tools/serve_load.py                        # two graphs made for it, about 90 s
    python tools/serve_load.py deployed/model.onnx    # yours

Services run in processes of their own with one thread of onnxruntime. Clients send one sample each,
with a random subset of the modalities, over one connection each, and send the next when they have
the answer. Compared are the service as it is, the service without micro-batching (``--batch 1``),
and calls of the same graph one at a time in this process, without HTTP. All lines are measured in
turn, several times; the table has the median of the repetitions and their range.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from dmrnet.serve.model import ServedModel, load_model
from dmrnet.serve.samples import assemble

CLIENTS = (1, 8, 64)
KINDS = 256
"""Number of different requests."""

NEAR = 1e-4
"""Largest difference of a probability, between batches of other sizes."""

SHAPES = {
    "light: six vectors, 649 numbers": {
        "fou": (76,), "fac": (216,), "kar": (64,), "pix": (240,), "zer": (47,), "mor": (6,)
    },
    "heavier: two images of 64 x 64": {"rgb": (3, 64, 64), "depth": (1, 64, 64)},
}  # fmt: skip
"""Modalities of the graphs that are made when none is given."""


def made(shapes: dict[str, tuple[int, ...]], folder: Path) -> Path:
    """Return the exported graph of a method that was hardly trained, on random numbers."""
    import dmrnet

    draw = np.random.default_rng(0)
    y = np.arange(64) % 10
    inputs = {name: draw.normal(size=(64, *shape)) for name, shape in shapes.items()}
    data = dmrnet.MultimodalDataset(inputs, y)
    run = dmrnet.fit(data, method="dmrnet", max_epochs=1, out=folder / "run")
    return run.export(folder / "deployed", "onnx").path


@dataclass(frozen=True)
class Asked:
    """Requests, and what the graph answers.

    Attributes:
        model: The graph.
        bodies: Bodies of requests.
        ready: The same samples as inputs of the graph.
        expected: Probabilities, ``(KINDS, M)``.
    """

    model: ServedModel
    bodies: list[bytes]
    ready: list[tuple[dict[str, np.ndarray], np.ndarray]]
    expected: np.ndarray


def requests_of(model: ServedModel) -> Asked:
    """Return requests of one sample each, with random subsets of the modalities."""
    draw = np.random.default_rng(0)
    bodies, ready, expected = [], [], []
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
        ready.append(assemble([sample], model))
        expected.append(model.predict(*ready[-1])[0])
        plain = {name: array.round(4).tolist() for name, array in sample.items()}
        bodies.append(json.dumps({"samples": [plain]}).encode())
    return Asked(model, bodies, ready, np.stack(expected))


async def client(port: int, asked: Asked, seed: int, until: float, out: list[float]) -> int:
    """Send requests over one connection until a time; return the number of wrong answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    draw, wrong = np.random.default_rng(seed), 0
    # At least one, however short the time.
    while not out or time.perf_counter() < until:
        number = int(draw.integers(KINDS))
        body = asked.bodies[number]
        head = (
            "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
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
        prediction = json.loads(content)["predictions"][0]
        got = list(prediction.get("probabilities", prediction.get("numbers")).values())
        # Numbers are sent with four digits.
        wrong += not np.allclose(got, asked.expected[number], atol=max(NEAR, 1e-3))
    writer.close()
    return wrong


@dataclass
class Line:
    """One line of the table: what each repetition measured."""

    name: str
    clients: int
    rate: list[float] = field(default_factory=list)
    median: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    wrong: int = 0

    def add(self, seconds: float, times: list[float], wrong: int) -> None:
        """Add a repetition."""
        median, late = np.quantile(times, [0.5, 0.99]) * 1000
        self.rate.append(len(times) / seconds)
        self.median.append(float(median))
        self.late.append(float(late))
        self.wrong += wrong

    def text(self) -> str:
        """Return the line in Markdown."""
        low, high = min(self.rate), max(self.rate)
        return (
            f"| {self.name} | {self.clients} | {np.median(self.rate):.0f} | {low:.0f} to "
            f"{high:.0f} | {np.median(self.median):.2f} | {np.median(self.late):.2f} | "
            f"{self.wrong} |"
        )


def alone(asked: Asked, seconds: float, line: Line) -> None:
    """Measure calls of the graph in this process, one at a time."""
    times: list[float] = []
    start = time.perf_counter()
    while (began := time.perf_counter()) < start + seconds:
        asked.model.predict(*asked.ready[len(times) % KINDS])
        times.append(time.perf_counter() - began)
    line.add(time.perf_counter() - start, times, 0)


def over_http(port: int, asked: Asked, seconds: float, line: Line) -> None:
    """Measure a service with some clients at once."""

    async def all_clients() -> tuple[float, list[float], int]:
        times: list[float] = []
        start = time.perf_counter()
        wrong = await asyncio.gather(
            *(client(port, asked, k, start + seconds, times) for k in range(line.clients))
        )
        return time.perf_counter() - start, times, sum(wrong)

    line.add(*asyncio.run(all_clients()))


@contextmanager
def served(path: Path, batch: int) -> Iterator[int]:
    """Run a service in a process of its own; yield its port, and say how its memory grew."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "dmrnet", "serve", str(path), "--port", str(port)]
    command += ["--batch", str(batch), "--threads", "1"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for(port, server)
        before = memory(server.pid)
        yield port
        grown = memory(server.pid) - before
    finally:
        server.terminate()
        code = server.wait(60)
    sys.stderr.write(f"--batch {batch}: memory grew by {grown:.1f} MB, exit code {code}\n")


def memory(process: int) -> float:
    """Return the resident memory of a process, in MB; 0 where the system does not say."""
    status = Path(f"/proc/{process}/status")
    if not status.is_file():
        return 0.0
    (line,) = (one for one in status.read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1000


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


def measure(path: Path, seconds: float, repeats: int) -> list[Line]:
    """Return the lines of one graph."""
    asked = requests_of(load_model(path, threads=1))
    with ExitStack() as stack:
        ports = {
            name: stack.enter_context(served(path, batch))
            for name, batch in (("one at a time (`--batch 1`)", 1), ("micro-batching", 64))
        }
        plan: list[tuple[Line, Callable[[Line], None]]] = [
            (Line("the graph itself, no HTTP", 1), lambda line: alone(asked, seconds, line))
        ]
        for name, port in ports.items():
            over_http(port, asked, 0.3, Line(name, 8))
            for number in CLIENTS:
                plan.append(
                    (
                        Line(name, number),
                        lambda line, port=port: over_http(port, asked, seconds, line),
                    )
                )
        for _ in range(repeats):
            for line, run in plan:
                run(line)
    return [line for line, _ in plan]


def main() -> None:
    """Measure and write a table for each graph."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, nargs="?", help="file of dmrnet export")
    parser.add_argument("--seconds", type=float, default=1.5, help="for each line [1.5]")
    parser.add_argument("--repeats", type=int, default=3, help="repetitions [3]")
    args = parser.parse_args()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    with TemporaryDirectory() as folder:
        graphs = {str(args.model): args.model} if args.model else {
            name: made(shapes, Path(folder) / str(k))
            for k, (name, shapes) in enumerate(SHAPES.items())
        }  # fmt: skip
        for name, path in graphs.items():
            lines = measure(path, args.seconds, args.repeats)
            sys.stdout.write(
                f"\n{name}; {os.cpu_count()} cores, load {load:.1f} before; {args.repeats} "
                f"repetitions of {args.seconds:g} s\n\n"
                "| what | clients | requests/s | range | median ms | 99 % ms | wrong |\n"
                "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
            )
            sys.stdout.write("\n".join(line.text() for line in lines) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
