"""Runs of untrained methods, for graphs that are not written to files."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.deploy.graph import Graph
from dmrnet.deploy.runners import Runner
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.methods import build_method
from dmrnet.modalities import Modality, Task
from dmrnet.nn.networks.network import Network

# Neither in the order of the alphabet nor of equal kinds: an order that gets lost shows.
MIXED = Task(
    (
        Modality("wave", "sequence", (2, 20)),
        Modality("an image.1", "image", (1, 12, 12)),
        Modality("clock", "vector", (5,)),
    ),
    ("a", "b", "c"),
)
IMAGES = Task(tuple(Modality(n, "image", (3, 32, 32)) for n in ("rgb", "ir", "depth")), ("a", "b"))
CLIPS = Task(
    (Modality("sound", "image", (1, 33, 40)), Modality("clip", "volume", (3, 2, 32, 32))),
    ("a", "b"),
)
RGBD = Task(
    (Modality("rgb", "image", (3, 64, 64)), Modality("depth", "image", (1, 64, 64))),
    ("a", "b"),
    dense=True,
)


def run_of(
    method: str, task: Task, network: Network | None = None, scale: bool = True, **more: Any
) -> FinishedRun:
    """Return a run without a folder; its numbers are far from 0, and `clock` is in float64."""
    torch.manual_seed(0)
    built = build_method(method, task, network=network or Network(width=16), **more).eval()
    standardiser = None
    if scale:
        sizes = {m.name: m.shape[0] for m in task.inputs}
        standardiser = Standardiser(
            {name: 30 + torch.arange(n).double() for name, n in sizes.items()},
            {name: 0.5 + torch.rand(n).double() for name, n in sizes.items()},
            [name for name in sizes if name == "clock"],
        )
        if "clock" in sizes:
            # Seconds since 1970: float32 would round them to two minutes.
            standardiser.mean["clock"] += 1.7e9
    return FinishedRun(None, None, task, built, standardiser, "cpu")  # type: ignore[arg-type]


def eager(graph: Graph) -> Runner:
    """Return how a graph runs without a file."""

    def run(inputs: Any, present: Any) -> tuple[np.ndarray, np.ndarray]:
        tensors = {name: torch.from_numpy(x) for name, x in inputs.items()}
        with torch.inference_mode():
            outputs = graph(tensors, None if present is None else torch.from_numpy(present))
        return tuple(x.numpy() for x in outputs)

    return run
