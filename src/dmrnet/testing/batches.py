"""Tasks of many shapes, and batches made for them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dmrnet.methods import build_method
from dmrnet.methods.base import Method
from dmrnet.modalities import Batch, Inputs, Modality, Task, all_combinations, some_combinations
from dmrnet.nn import Network

POISONS = (float("nan"), float("inf"), 1e30)
"""Values of hidden inputs, which must have no influence."""

SMALL = Network(width=8, depth=1, trunk_depth=1)
CLASSES = ("a", "b", "c")


def task_of(*inputs: tuple[str, tuple[int, ...]], dense: bool = False) -> Task:
    """Return a task with modalities m0, m1 ... of the given kinds and shapes."""
    return Task(
        tuple(
            Modality(f"m{k}", kind, shape)  # type: ignore[arg-type]
            for k, (kind, shape) in enumerate(inputs)
        ),
        CLASSES,
        dense,
    )


TASKS = {
    "one": task_of(("vector", (5,))),
    "two-images": task_of(("image", (2, 6, 7)), ("image", (1, 1, 1))),
    "maps": task_of(("image", (1, 8, 9)), ("sequence", (2, 7)), ("volume", (1, 2, 5, 5))),
    "mixed": task_of(
        ("vector", (4,)), ("sequence", (1, 9)), ("image", (3, 5, 8)), ("volume", (1, 3, 4, 4))
    ),
    "five": task_of(*(("vector", (k,)) for k in (1, 2, 3, 5, 8))),
    "ten": task_of(*(("vector", (3,)) for _ in range(10))),
}
"""V from 1 to 5 and 10; vectors, sequences, images, volumes and mixes of them."""


def combinations_of(task: Task, most: int = 24) -> Tensor:
    """Return all masks of a task, or some of many; bool ``(K, V)``."""
    return some_combinations(len(task.inputs), most, torch.Generator().manual_seed(0))


def random_batch(
    task: Task,
    mask: Tensor,
    encode: Tensor | None = None,
    present: Tensor | None = None,
    seed: int = 0,
) -> Batch:
    """Return a masked batch of random samples.

    Args:
        task: Shapes, and what is predicted.
        mask: bool ``(B, V)``.
        encode: What encoders run on; the mask if None.
        present: What samples have; everything if None. Absent rows hold zeros.
        seed: Seed of the samples.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = len(mask)
    present = torch.ones_like(mask) if present is None else present
    inputs = {}
    for v, modality in enumerate(task.inputs):
        x = torch.randn((rows, *modality.shape), generator=generator)
        inputs[modality.name] = torch.where(
            present[:, v].view(-1, *[1] * len(modality.shape)), x, 0.0
        )
    target = random_target(task, rows, generator)
    batch = Batch(inputs, present, target, torch.arange(rows))
    return batch.masked(mask, mask if encode is None else encode, task.modalities)


def random_target(task: Task, rows: int, generator: torch.Generator) -> Tensor:
    """Return targets of the task's kind, at random."""
    many = len(task.classes)
    if task.target == "regression":
        values = torch.randn(rows, many, generator=generator, dtype=torch.float64)
        scale = torch.tensor(task.scale or [(0.0, 1.0)] * many, dtype=torch.float64)
        scaled: Tensor = values * scale[:, 1] + scale[:, 0]
        return scaled
    if task.target == "multi-label":
        return torch.randint(2, (rows, many), generator=generator)
    size = (rows, *task.inputs[0].shape[1:]) if task.dense else (rows,)
    return torch.randint(many, size, generator=generator)


def poisoned(inputs: Inputs, seen: Tensor, poisons: Sequence[float] = POISONS) -> dict[str, Tensor]:
    """Return inputs with a poison in every row that is not seen.

    The rows are cut into as many blocks of the same length as there are poisons, one for each.
    """
    size = -(-len(seen) // len(poisons))
    poison = torch.tensor(poisons).repeat_interleave(size)[: len(seen)]
    filled = {}
    for (name, x), column in zip(inputs.items(), seen.unbind(1), strict=True):
        shape = (-1, *[1] * (x.dim() - 1))
        filled[name] = torch.where(column.view(shape), x, poison.view(shape))
    return filled


def ready(method: Method, task: Task, network: Network = SMALL) -> Method:
    """Hand a method the prerequisite it needs, untrained."""
    if method.needs.prerequisite is not None:
        method.set_teacher(build_method(method.needs.prerequisite, task, network=network))
    return method


def every_combination(task: Task, times: int = 1) -> Tensor:
    """Return each mask of a task some times over, bool ``(B, V)``."""
    return all_combinations(len(task.inputs)).repeat(times, 1)


def slow_index(row: Sequence[bool]) -> int:
    """J of Eq. 10 by its sum."""
    return sum(2**k for k, seen in enumerate(row) if seen)
