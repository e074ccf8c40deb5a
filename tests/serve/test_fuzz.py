"""Random requests: an answer is right, or one line that says what is wrong; none is a failure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import TASK

SHAPES = {m.name: m.shape for m in TASK.inputs}
Expected = Callable[[dict[str, Any]], np.ndarray]


def lists(shape: tuple[int, ...], item: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    for length in reversed(shape):
        item = st.lists(item, min_size=length, max_size=length)
    return item


NUMBERS = st.floats(-1e9, 1e9)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["samples", *SHAPES, "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
GOOD = st.fixed_dictionaries({}, optional={n: lists(s, NUMBERS) for n, s in SHAPES.items()})
NEARLY = st.fixed_dictionaries(
    {}, optional={n: lists(s, NUMBERS) | lists(s, JUNK) | JUNK for n, s in SHAPES.items()}
)
BODIES = JUNK | st.fixed_dictionaries({"samples": st.lists(GOOD | NEARLY | JUNK, max_size=3)})


def check(answer: Any, body: Any, expected: Expected) -> None:
    """Assert that an answer is right, or refuses in one line."""
    assert answer.status_code in (200, 400, 413, 415, 422), answer.text
    if answer.status_code != 200:
        assert "\n" not in answer.json()["error"]
        assert answer.json()["error"]
        return
    predictions = answer.json()["predictions"]
    for sample, got in zip(body["samples"], predictions, strict=True):
        there = {name: value for name, value in sample.items() if value is not None}
        assert got["seen"] == [name for name in SHAPES if name in there]
        probabilities = list(got["probabilities"].values())
        shaped = {name: np.reshape(x, SHAPES[name]).tolist() for name, x in there.items()}
        np.testing.assert_allclose(probabilities, expected(shaped), atol=1e-4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(body=BODIES)
def test_random_bodies_get_an_answer(client: TestClient, expected: Expected, body: Any) -> None:
    content = json.dumps(body).encode()
    answer = client.post("/predict", content=content, headers={"content-type": "application/json"})
    check(answer, body, expected)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    name=st.sampled_from([*SHAPES, "x"]),
    start=st.sampled_from(
        [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00v\x00", b"\x89PNG", b"PK\x03\x04"]
    ),
    rest=st.binary(max_size=200),
)
def test_random_parts_get_an_answer(
    client: TestClient, name: str, start: bytes, rest: bytes
) -> None:
    answer = client.post("/predict", files={name: ("f", start + rest)})
    assert answer.status_code in (400, 422), answer.text
