"""Answers of what is no plain class: ordered classes, several labels, numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.deploy.graphs import eager, run_of

from dmrnet.deploy.graph import graph_of
from dmrnet.modalities import Task
from dmrnet.modalities.task import TargetName
from dmrnet.serve import ServedModel, create_app
from dmrnet.serve.answers import decide
from dmrnet.targets import TARGETS

from .conftest import TASK, metadata

SHAPE = st.tuples(st.integers(1, 4), st.integers(2, 6))


@given(arrays(np.float32, SHAPE, elements=st.floats(0, 1, width=32)), st.sampled_from([*TARGETS]))
def test_what_is_decided_is_what_the_target_decides(p: np.ndarray, target: str) -> None:
    np.testing.assert_array_equal(decide(p, target), TARGETS[target].decide(torch.from_numpy(p)))


@pytest.mark.parametrize("target", ["ordinal", "multi-label", "regression"])
def test_every_target_is_answered(target: TargetName, sample: dict[str, Any]) -> None:
    scale = ((50.0, 4.0), (-3.0, 1.0), (0.0, 2.0)) if target == "regression" else None
    task: Task = replace(TASK, target=target, scale=scale)
    run = run_of("sf-md", task)
    graph = graph_of(run.method, run.standardiser)
    model = ServedModel(eager(graph), {**metadata(graph), "target": target})
    given = {"wave": sample["wave"], "clock": sample["clock"]}
    inputs = {
        m.name: torch.tensor([given.get(m.name, np.zeros(m.shape).tolist())]).to(
            torch.float64 if m.name in graph.fine else torch.float32
        )
        for m in graph.inputs
    }
    inputs["clock"] = torch.tensor([sample["clock"]], dtype=torch.float64)
    expected = graph(inputs, torch.tensor([[True, False, True]]))[1][0]
    with TestClient(create_app(model)) as client:
        answer = client.post("/predict", json={"samples": [given]})
        (said,) = answer.json()["predictions"]
        described = client.get("/openapi.json").json()
    kind = "numbers" if target == "regression" else "probabilities"
    np.testing.assert_allclose(list(said[kind].values()), expected, rtol=1e-5)
    assert said["seen"] == ["wave", "clock"]
    chosen = TARGETS[target].decide(expected)
    if target == "ordinal":
        assert said["class"] == "abc"[int(chosen)]
        assert said["probability"] == said["probabilities"][said["class"]]
    if target == "multi-label":
        assert said["labels"] == [n for n, has in zip("abc", chosen, strict=True) if has]
    schema = described["paths"]["/predict"]["post"]["responses"]["200"]["content"]
    item = schema["application/json"]["schema"]["properties"]["predictions"]["items"]
    assert set(item["required"]) == set(said)


def test_another_host_is_refused(model: ServedModel) -> None:
    app = create_app(model, hosts=("localhost", "127.0.0.1", "::1"))
    with TestClient(app) as client:
        for host in ("localhost:8000", "127.0.0.1", "[::1]:80", "LOCALHOST"):
            assert client.get("/healthz", headers={"host": host}).is_success
        for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil", ""):
            answer = client.get("/healthz", headers={"host": host})
            assert answer.status_code == 421
            assert "127.0.0.1, ::1, localhost only" in answer.json()["error"]
