"""A small graph behind the service, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from tests.deploy.graphs import eager, run_of

from dmrnet.deploy.graph import Graph, graph_of
from dmrnet.modalities import Modality, Task
from dmrnet.serve import Limits, ServedModel, create_app

TASK = Task(
    (
        Modality("wave", "sequence", (2, 6)),
        Modality("photo", "image", (1, 8, 8)),
        Modality("clock", "vector", (3,)),
    ),
    ("a", "b", "c"),
)
LIMITS = Limits(batch=8, queue=16, seconds=5, megabytes=0.05)


def metadata(graph: Graph) -> dict[str, Any]:
    inputs = [
        {
            "name": m.name,
            "shape": list(m.shape),
            "dtype": "float64" if m.name in graph.fine else "float32",
        }
        for m in graph.inputs
    ]
    about = {"method": "sf-md", "dataset": "made", "use": "", "dense": False}
    return {**about, "inputs": inputs, "classes": list(TASK.classes), "fixed": graph.fixed}


@pytest.fixture(scope="package")
def graph() -> Graph:
    run = run_of("sf-md", TASK)
    return graph_of(run.method, run.standardiser)


@pytest.fixture(scope="package")
def model(graph: Graph) -> ServedModel:
    return ServedModel(eager(graph), metadata(graph))


@pytest.fixture(scope="package")
def client(model: ServedModel) -> Iterator[TestClient]:
    with TestClient(create_app(model, LIMITS), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="package")
def sample(graph: Graph) -> dict[str, Any]:
    draw = np.random.default_rng(0)
    clock = 1.7e9 + 30 + draw.normal(size=3)
    return {
        "wave": (30 + draw.normal(size=(2, 6))).tolist(),
        "photo": (30 + draw.normal(size=(1, 8, 8))).tolist(),
        "clock": clock.tolist(),
    }


@pytest.fixture(scope="package")
def expected(graph: Graph) -> Callable[[dict[str, Any]], np.ndarray]:
    """Probabilities of one sample by the graph itself."""

    def predict(sample: dict[str, Any]) -> np.ndarray:
        inputs = {
            m.name: torch.tensor(
                [sample.get(m.name, np.zeros(m.shape).tolist())],
                dtype=torch.float64 if m.name in graph.fine else torch.float32,
            )
            for m in graph.inputs
        }
        present = torch.tensor([[m.name in sample for m in graph.inputs]])
        with torch.inference_mode():
            return graph(inputs, present)[1][0].numpy()

    return predict
