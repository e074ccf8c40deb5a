"""Batching: together what waits, nobody another's result, and limits that hold."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import numpy as np
import pytest

from dmrnet.serve import Limits, ServedModel, create_app
from dmrnet.serve.batching import Batcher, ClosedError

from .conftest import LIMITS


def echo(rows: list[int], gate: threading.Event | None = None) -> ServedModel:
    """A graph whose probability of the first class is the sample's only number."""
    about = {
        "method": "echo",
        "dataset": "made",
        "use": "",
        "dense": False,
        "fixed": False,
        "classes": ["a", "b"],
        "inputs": [{"name": "x", "shape": [1], "dtype": "float32"}],
    }

    def run(inputs: Any, present: Any) -> tuple[np.ndarray, np.ndarray]:
        rows.append(len(present))
        if gate is not None:
            assert gate.wait(10)
        if (inputs["x"] == 99).any():
            raise RuntimeError("no kernel")
        p = np.concatenate([inputs["x"], 1 - inputs["x"]], 1)
        return p, p

    return ServedModel(run, about)


def asked(
    model: ServedModel, limits: Limits, what: Callable[[httpx.AsyncClient, Any], Awaitable[None]]
) -> None:
    """Run a function with a client of a service in this process."""

    async def main() -> None:
        app = create_app(model, limits)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://here")
        async with app.router.lifespan_context(app), client:
            await what(client, app)

    asyncio.run(main())


def body(*numbers: float) -> dict[str, Any]:
    return {"samples": [{"x": [number]} for number in numbers]}


async def until(true: Callable[[], bool]) -> None:
    """Let other tasks run until something is so."""
    for _ in range(10_000):
        if true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to be")


def test_what_waits_is_predicted_together_and_each_gets_its_own() -> None:
    rows: list[int] = []
    gate = threading.Event()

    async def what(client: httpx.AsyncClient, app: Any) -> None:
        numbers = [k / 32 for k in range(15)]
        tasks = [asyncio.create_task(client.post("/predict", json=body(numbers[0])))]
        await until(lambda: bool(rows))
        # While the first is predicted, the others wait.
        for number in numbers[1:]:
            tasks.append(asyncio.create_task(client.post("/predict", json=body(number))))
        await until(lambda: app.state.batcher.waiting == 14)
        gate.set()
        answers = await asyncio.gather(*tasks)
        got = [one.json()["predictions"][0]["probabilities"]["a"] for one in answers]
        np.testing.assert_allclose(got, numbers, atol=1e-6)

    asked(echo(rows, gate), LIMITS, what)
    assert rows == [1, 8, 6]


def test_a_request_of_several_samples_stays_whole() -> None:
    rows: list[int] = []
    gate = threading.Event()

    async def what(client: httpx.AsyncClient, app: Any) -> None:
        sizes = [1, 5, 3, 4]
        tasks = []
        for size in sizes:
            numbers = [size / 8] * size
            tasks.append(asyncio.create_task(client.post("/predict", json=body(*numbers))))
            await until(lambda: bool(rows))
        await until(lambda: app.state.batcher.waiting == 12)
        gate.set()
        for size, answer in zip(sizes, await asyncio.gather(*tasks), strict=True):
            got = [one["probabilities"]["a"] for one in answer.json()["predictions"]]
            assert got == [size / 8] * size

    asked(echo(rows, gate), LIMITS, what)
    assert rows == [1, 8, 4]


def test_a_full_queue_and_a_slow_graph_are_said() -> None:
    rows: list[int] = []
    gate = threading.Event()
    limits = Limits(batch=2, queue=2, seconds=0.2)

    async def what(client: httpx.AsyncClient, app: Any) -> None:
        first = asyncio.create_task(client.post("/predict", json=body(0.5)))
        await until(lambda: bool(rows))
        second = asyncio.create_task(client.post("/predict", json=body(0.5, 0.5)))
        await until(lambda: app.state.batcher.waiting == 2)
        full = await client.post("/predict", json=body(0.5))
        assert full.status_code == 503
        assert full.headers["retry-after"] == "1"
        for late in (await first, await second):
            assert late.status_code == 504
            assert "0.2 s" in late.json()["error"]
        gate.set()
        # What was given up is not predicted, and the service goes on.
        await until(lambda: app.state.batcher.waiting == 0)
        assert (await client.post("/predict", json=body(0.25))).status_code == 200

    asked(echo(rows, gate), limits, what)
    assert rows == [1, 1]


def test_a_graph_that_fails_is_a_line_and_the_next_is_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def what(client: httpx.AsyncClient, app: Any) -> None:
        bad = await client.post("/predict", json=body(99))
        assert (bad.status_code, bad.json()["error"].startswith("the graph failed")) == (500, True)
        assert (await client.post("/predict", json=body(0.5))).status_code == 200

    asked(echo([]), LIMITS, what)
    assert "no kernel" in caplog.text


def test_closing_answers_what_waits_and_refuses_the_rest() -> None:
    rows: list[int] = []
    gate = threading.Event()

    async def main() -> None:
        batcher = Batcher(echo(rows, gate), LIMITS)
        batcher.start()
        x, present = {"x": np.full((1, 1), 0.5, np.float32)}, np.ones((1, 1), dtype=np.bool_)
        tasks = [asyncio.create_task(batcher.predict(x, present))]
        await until(lambda: bool(rows))
        tasks += [asyncio.create_task(batcher.predict(x, present)) for _ in range(2)]
        await until(lambda: batcher.waiting == 2)
        closing = asyncio.create_task(batcher.close())
        await asyncio.sleep(0)
        with pytest.raises(ClosedError):
            await batcher.predict(x, present)
        gate.set()
        assert [float(one[0, 0]) for one in await asyncio.gather(*tasks)] == [0.5] * 3
        await closing

    asyncio.run(main())
    assert rows == [1, 2]


def test_a_body_that_never_ends_is_given_up() -> None:
    limits = Limits(seconds=0.1)

    async def what(client: httpx.AsyncClient, app: Any) -> None:
        # The transport gathers a body before it sends it, so the application is called itself.
        messages: list[Any] = []

        async def receive() -> Any:
            if not messages:
                messages.append({"type": "http.request", "body": b"{", "more_body": True})
                return messages[0]
            await asyncio.sleep(30)

        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/predict",
            "raw_path": b"/predict",
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "http_version": "1.1",
            "headers": [(b"content-type", b"application/json")],
            "server": ("here", 80),
            "client": ("there", 1),
        }
        await app(scope, receive, send)
        assert sent[0]["status"] == 408

    asked(echo([]), limits, what)


def test_what_is_late_does_not_wait_on_in_memory() -> None:
    gate = threading.Event()
    rows: list[int] = []
    limits = Limits(batch=4, queue=4, seconds=0.05)

    async def main() -> None:
        batcher = Batcher(echo(rows, gate), limits)
        batcher.start()
        x, present = {"x": np.full((1, 1), 0.5, np.float32)}, np.ones((1, 1), dtype=np.bool_)
        for _ in range(3):
            late = [batcher.predict(x, present) for _ in range(4)]
            said = await asyncio.gather(*late, return_exceptions=True)
            assert all(isinstance(one, TimeoutError) for one in said)
            assert not batcher._queue
        gate.set()
        await batcher.close()

    asyncio.run(main())


def test_a_failure_of_our_own_is_counted() -> None:
    async def what(client: httpx.AsyncClient, app: Any) -> None:
        app.state.batcher = None
        assert (await client.post("/predict", json=body(0.5))).status_code == 500
        app.state.batcher = kept
        text = (await client.get("/metrics")).text
        assert 'dmrnet_requests_total{status="500"} 1.0' in text

    async def main() -> None:
        nonlocal kept
        app = create_app(echo([]), LIMITS)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://here")
        async with app.router.lifespan_context(app), client:
            kept = app.state.batcher
            await what(client, app)
            app.state.batcher = kept

    kept: Any = None
    asyncio.run(main())


class _Unprinted(dict[str, np.ndarray]):
    """Inputs that must not be written as text: for arrays that takes longer than to predict."""

    def __repr__(self) -> str:
        raise AssertionError("the arrays of a request were written as text")


def test_no_array_is_written_as_text() -> None:
    async def main() -> None:
        batcher = Batcher(echo([]), LIMITS)
        batcher.start()
        inputs = _Unprinted(x=np.full((1, 1), 0.25, dtype=np.float32))
        found = await batcher.predict(inputs, np.ones((1, 1), dtype=np.bool_))
        assert found.tolist() == [[0.25, 0.75]]
        await batcher.close()

    asyncio.run(main())
