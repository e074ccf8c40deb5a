"""An untrained run of four kinds of modalities, its samples and its graph, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from tests.deploy.graphs import eager, run_of
from tests.serve.conftest import metadata

from dmrnet.confidence import Confidence
from dmrnet.data.dataset import ArrayDataset
from dmrnet.deploy.graph import graph_of
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.engine.scores.scoring import combinations_of
from dmrnet.explore import ExploredRun, create_explorer
from dmrnet.explore.samples import Samples
from dmrnet.modalities import Modality, Task
from dmrnet.serve import Limits, ServedModel

EVIL = "<img src=x onerror='window.hacked=1'>"
TASK = Task(
    (
        Modality("wave", "sequence", (2, 6)),
        Modality(EVIL, "image", (1, 8, 8)),
        Modality("clock", "vector", (3,)),
    ),
    ("a", f"b{EVIL}", "c"),
)
NAMES = TASK.modalities
ROWS = 30
LIMITS = Limits(batch=8, queue=16, seconds=5, megabytes=0.05)


def scores() -> dict[str, Any]:
    rows = {
        "+".join(n for n, there in zip(NAMES, mask, strict=True) if there): [0.5 + 0.1 * k, 100 - k]
        for k, mask in enumerate(combinations_of(3).tolist())
    }
    return {"metric": "accuracy", "split": "test", "combinations": rows}


def dataset_of(run: FinishedRun) -> ArrayDataset:
    draw = torch.Generator().manual_seed(0)
    assert run.standardiser is not None
    arrays = {
        m.name: 30 + torch.randn((ROWS, *m.shape), generator=draw, dtype=torch.float64)
        for m in TASK.inputs
    }
    arrays["clock"] += 1.7e9
    present = torch.rand(ROWS, 3, generator=draw) < 0.8
    present[:, 0] |= ~present.any(1)
    # The first two samples have everything.
    present[:2] = True
    target = torch.arange(ROWS) % 3
    target[5] = -1
    dataset = ArrayDataset(TASK, arrays, present, target)
    dataset.standardise(run.standardiser)
    return dataset


@pytest.fixture(scope="package")
def run() -> FinishedRun:
    return run_of("sf-md", TASK)


@pytest.fixture(scope="package")
def dataset(run: FinishedRun) -> ArrayDataset:
    return dataset_of(run)


@pytest.fixture(scope="package")
def confidence() -> Confidence:
    draw = torch.Generator().manual_seed(1)
    masks = combinations_of(3)
    p = torch.rand(len(masks), 90, 3, generator=draw).softmax(-1)
    return Confidence.fit(p, torch.arange(90) % 3, torch.ones(len(masks), 90).bool(), masks)


@pytest.fixture(scope="package")
def explored(run: FinishedRun, dataset: ArrayDataset, confidence: Confidence) -> ExploredRun:
    graph = graph_of(run.method, run.standardiser, confidence=confidence)
    assert run.standardiser is not None
    about = {**metadata(graph), "classes": list(TASK.classes), "scores": scores()}
    for one in about["inputs"]:
        one["mean"] = run.standardiser.mean[one["name"]].tolist()
        one["std"] = run.standardiser.std[one["name"]].tolist()
    model = ServedModel(eager(graph), {**about, "calibrated": True})
    return ExploredRun(model, Samples(run, dataset, "test"), "", confidence)


@pytest.fixture(scope="package")
def client(explored: ExploredRun) -> Iterator[TestClient]:
    app = create_explorer(explored, LIMITS)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="package")
def sample(explored: ExploredRun) -> dict[str, np.ndarray]:
    """The first sample, in the units of training."""
    assert explored.samples is not None
    inputs, _ = explored.samples.take(np.array([0]))
    return {name: x[0] for name, x in inputs.items()}


@pytest.fixture(scope="package")
def model(explored: ExploredRun) -> ServedModel:
    return explored.model
