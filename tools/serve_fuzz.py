"""Send a service requests made from its OpenAPI, and see that none breaks it.

    python tools/serve_fuzz.py                  # about 10,000 requests, some minutes

Needs schemathesis (``pip install schemathesis``). The service is ``dmrnet explore`` of a small run
with a vector, a sequence and an image, in a process of its own: all paths of ``dmrnet serve`` and
those of the page. Asserted are: no answer is a 5xx, every answer is as described (schemathesis);
the same samples are predicted alike before and after, as by the graph; the process has not grown by
more than 100 MB, and ends with 0 after SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import Request, urlopen

import numpy as np

SHAPES = {"vitals": (4,), "wave": (2, 12), "photo": (1, 8, 8)}
MOST_GROWN = 100.0
"""Largest growth of the process, in MB."""


def made(folder: Path) -> Path:
    """Return the folder of a small run with test samples, one modality absent here and there."""
    import dmrnet

    draw = np.random.default_rng(0)
    for name, rows in (("train", 120), ("test", 40)):
        arrays = {key: draw.normal(size=(rows, *shape)) for key, shape in SHAPES.items()}
        arrays["photo"][::5] = np.nan
        np.savez(folder / f"{name}.npz", **arrays, y=np.arange(rows) % 3)
    train, test = (str(folder / f"{name}.npz") for name in ("train", "test"))
    return dmrnet.fit(train, test=test, method="sf-md", max_epochs=1, out=folder / "run").path


def ask(address: str, samples: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return predictions of samples."""
    head = {"Content-Type": "application/json"}
    body = json.dumps({"samples": samples}).encode()
    with urlopen(Request(f"{address}/predict", body, head), timeout=30) as answer:
        found: list[dict[str, object]] = json.load(answer)["predictions"]
    return found


def memory(process: int) -> float:
    """Return the memory of a process's own, in MB; 0 where the system does not say.

    Pages of libraries do not count, since they come and go with the needs of others.
    """
    status = Path(f"/proc/{process}/status")
    if not status.is_file():
        return 0.0
    own = (
        line for line in status.read_text().splitlines() if line.startswith(("RssAnon", "VmSwap"))
    )
    return sum(int(line.split()[1]) for line in own) / 1000


def main() -> None:
    """Make a run, serve it, send requests, and say what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--requests", type=int, default=10_000, help="approximate number of requests [10000]"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of schemathesis [0]")
    args = parser.parse_args()
    with TemporaryDirectory() as name, socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
        found.close()
        run = made(Path(name))
        command = [sys.executable, "-m", "dmrnet", "explore", str(run), "--port", str(port)]
        said = Path(name) / "said.txt"
        # It notes each request that is no HTTP.
        with said.open("w") as stream:
            server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stream)
        try:
            fuzz(server, f"http://127.0.0.1:{port}", args.requests, args.seed)
        except SystemExit:
            sys.stderr.write(said.read_text()[-6000:])
            raise
        finally:
            server.terminate()
            code = server.wait(60)
        if "Traceback" in said.read_text():
            raise SystemExit(said.read_text()[-6000:])
    if code:
        raise SystemExit(f"after SIGTERM: expected the exit code 0, got {code}")


def fuzz(server: subprocess.Popen[bytes], address: str, requests: int, seed: int) -> None:
    """Send requests to a service.

    Raises:
        SystemExit: If an answer is wrong, or the process grew.
    """
    wait_for(address, server)
    draw = np.random.default_rng(1)
    samples: list[dict[str, object]] = [
        {name: draw.normal(size=shape).tolist() for name, shape in list(SHAPES.items())[:k]}
        for k in (1, 2, 3)
    ]
    expected = ask(address, samples)
    # Schemathesis counts by operation, three of which have bodies or parameters to vary; its phase
    # of coverage adds about 500. A schema cannot say what a file holds, so that some requests that
    # it allows are refused.
    options = ["--phases", "examples,coverage,fuzzing", "--seed", str(seed)]
    options += ["-n", str(max(1, (requests - 500) // 3)), "--no-color"]
    options += ["--exclude-checks", "positive_data_acceptance"]
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json"]
    ask(address, samples)
    before, start = memory(server.pid), time.perf_counter()
    # It keeps a cache where it runs.
    with TemporaryDirectory() as here:
        done = subprocess.run(
            [*command, *options], capture_output=True, text=True, check=False, cwd=here
        )
    if server.poll() is not None:
        raise SystemExit(
            f"the service ended while it was asked, with exit code {server.returncode}"
        )
    seconds, grown = time.perf_counter() - start, memory(server.pid) - before
    counted = re.search(r"([\d,]+) generated", done.stdout)
    with urlopen(f"{address}/metrics", timeout=30) as answer:
        lines = [line for line in answer.read().decode().splitlines() if line[:1] != "#"]
    codes = {line for line in lines if line.startswith("dmrnet_requests_total")}
    sys.stdout.write(
        f"{counted.group(1) if counted else 'an unknown number of'} requests in {seconds:.0f} s; "
        f"the process grew by {grown:.1f} MB\n" + "\n".join(sorted(codes)) + "\n"
    )
    if done.returncode:
        sys.stdout.write(done.stdout[-6000:] + done.stderr[-2000:])
        raise SystemExit("schemathesis found a failure; see above")
    if any('status="5' in line for line in codes):
        raise SystemExit("an answer was a 5xx")
    for one, two in zip(expected, ask(address, samples), strict=True):
        p, q = (list(answer["probabilities"].values()) for answer in (one, two))  # type: ignore[attr-defined]
        if not np.allclose(p, q, atol=1e-5):
            raise SystemExit("the same samples are predicted otherwise than before")
    if grown > MOST_GROWN:
        raise SystemExit(f"expected growth of at most {MOST_GROWN:.0f} MB")


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until a service answers."""
    for _ in range(600):
        if server.poll() is not None:
            raise SystemExit("the service ended; its message is above")
        try:
            urlopen(f"{address}/healthz", timeout=1).close()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the service does not answer")


if __name__ == "__main__":
    main()
