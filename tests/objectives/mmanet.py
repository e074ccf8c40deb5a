"""MMANet with a teacher, for classes and for every pixel."""

from __future__ import annotations

import math

import torch

from dmrnet.methods import build_method
from dmrnet.modalities import Batch, Modality, Task, all_combinations
from dmrnet.nn import Network

TASK = Task(tuple(Modality(n, "vector", (3,)) for n in "abc"), ("x", "y", "z"))
SMALL = Network(width=8)
WEIGHTS = (0.5, 2.0)
ROOMS = Task(
    (Modality("rgb", "image", (3, 32, 16)), Modality("depth", "image", (1, 32, 16))),
    ("wall", "floor"),
    dense=True,
    class_weights=WEIGHTS,
)


def batch_of(mask: torch.Tensor, present: torch.Tensor | None = None, task: Task = TASK) -> Batch:
    draw = torch.Generator().manual_seed(0)
    rows = len(mask)
    present = torch.ones_like(mask) if present is None else present
    inputs = {m.name: torch.randn(rows, *m.shape, generator=draw) for m in task.inputs}
    batch = Batch(inputs, present, torch.arange(rows) % 3, torch.arange(rows))
    return batch.masked(mask, present, task.modalities)


def built(task: Task = TASK, recipe: str = "best", **changes):
    torch.manual_seed(0)
    teacher = build_method("full", task, network=Network(width=12))
    model = build_method("mmanet", task, recipe, network=SMALL, **changes)
    model.set_teacher(teacher)
    return model, teacher


def built_dense(**changes):
    torch.manual_seed(0)
    # A finished run does not say how its loss weighed classes.
    plain = Task(ROOMS.inputs, ROOMS.classes, dense=True)
    teacher = build_method("full", plain, network=SMALL)
    model = build_method("mmanet", ROOMS, network=SMALL, **changes)
    model.set_teacher(teacher)
    return model, teacher


def dense_batch() -> Batch:
    draw = torch.Generator().manual_seed(0)
    mask = all_combinations(2)
    inputs = {m.name: torch.randn(3, *m.shape, generator=draw) for m in ROOMS.inputs}
    target = torch.randint(-1, 2, (3, 32, 16), generator=draw)
    made = Batch(inputs, torch.ones_like(mask), target, torch.arange(3))
    return made.masked(mask, torch.ones_like(mask), ROOMS.modalities)


def unit_rows(flat: list[list[float]]) -> list[list[float]]:
    gram = [[sum(a * b for a, b in zip(x, y, strict=True)) for y in flat] for x in flat]
    return [[g / math.sqrt(sum(h * h for h in row)) for g in row] for row in gram]
