"""Train every method for two epochs on one or on two processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from tests.contracts.toys import ESANetShaped, ShaSpecShaped, Taught
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from dmrnet.methods import METHODS, build_method
from dmrnet.methods.base import Method
from dmrnet.modalities import Batch, Task, rows_of
from dmrnet.objectives import Step
from dmrnet.testing.batches import SMALL, TASKS, random_batch, ready, task_of

ROWS, STEPS, EPOCHS = 8, 2, 2
DENSE = task_of(("image", (3, 8, 12)), ("image", (1, 8, 12)), dense=True)
PIXELS = task_of(("image", (3, 16, 16)), ("image", (1, 16, 16)), dense=True)
ALIKE = task_of(*[("vector", (4,))] * 3)


OTHERS = (("shaspec", "released", TASKS["maps"]), ("sf-md", "best", PIXELS))
SELDOM = (
    ("lcr", "released", TASKS["maps"]),
    ("mmformer", "released", TASKS["maps"]),
    *(
        (n, "best", PIXELS)
        for n in ("experts", "hemis", "rfnet", "shaspec", "mmformer", "unimodal")
    ),
)
"""What is trained in slow tests alone."""
SMALLER = {"mmformer": {"embed": 16}}


OFTEN = ("sf-md", "dmrnet", "experts", "mmanet", "mmformer", "mutual", "separate", "shaspec")
"""Methods that are trained each time; slow tests train all."""


def cases(slow: bool = False) -> dict[str, tuple[Callable[[Task], Method], Task]]:
    """Return what is trained: listed methods by their best recipes, and the toys."""
    names = METHODS if slow else OFTEN
    listed = {name: (partial(build_method, name, network=SMALL), TASKS["maps"]) for name in names}
    by_variance = partial(build_method, "dmrnet", network=SMALL, mine_by="variance", hard_start=1)
    mining = {"dmrnet-variance": (by_variance, TASKS["maps"])}
    modulated = partial(build_method, "ogm-md", network=SMALL, modulation="ogm-ge")
    mining["ogm-md-ge"] = (modulated, TASKS["maps"])
    late = partial(build_method, "rfnet", network=SMALL, fuse_start=1)
    mining["rfnet-late"] = (late, TASKS["maps"])
    # Similarities are between the samples of one process; everything else is held to be one's.
    listed["mmanet"] = (
        partial(listed["mmanet"][0], margin_weight=0.0, start=1, rank_from=0),
        TASKS["maps"],
    )
    if slow:
        # Noise and an even load are those of one process.
        listed["flex-moe"] = (
            partial(listed["flex-moe"][0], noise=False, balance_weight=0.0),
            TASKS["maps"],
        )
    # What recipes change of what is encoded, and networks for every pixel.
    for name, recipe, task in OTHERS + (SELDOM if slow else ()):
        build = partial(build_method, name, recipe=recipe, network=SMALL, **SMALLER.get(name, {}))
        listed[f"{name}-{recipe}-{'pixels' if task.dense else 'classes'}"] = build, task
    toys = {
        "esanet": (ESANetShaped, DENSE),
        "shaspec": (ShaSpecShaped, ALIKE),
        "taught": (Taught, ALIKE),
    }
    return listed | mining | toys


class Loss(nn.Module):
    """What DistributedDataParallel wraps: its forward is the training loss."""

    step: Step

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, batch: Batch, epoch: int) -> Tensor:
        loss = self.method.training_loss(batch, epoch)
        self.step = loss.step
        return loss.total


def steady(method: Method) -> Method:
    """Turn off what processes may do apart: batch statistics, noise and layer dropout."""
    for part in method.train().modules():
        if isinstance(part, _BatchNorm | nn.Dropout):
            part.eval()
    method.representation.eval()
    return method


def batch_of(method: Method, step: int, rank: int, world: int) -> Batch:
    """Return a process's rows of a step's batch; in step 0 the first one has no modality 0."""
    generator = torch.Generator().manual_seed(step)
    j = torch.randint(1, 2 ** len(method.modalities), (ROWS,), generator=generator)
    mask = (j[:, None] >> torch.arange(len(method.modalities)) & 1).bool()
    if step == 0:
        mask[::2, 0], mask[::2, 1] = False, True
        mask[1::2, 0] = True
    if step == 1:  # nobody has the last one
        mask[:, -1], mask[:, 0] = False, True
    present = torch.ones_like(mask) if method.needs.complete else mask
    whole = random_batch(method.task, mask, present=present, seed=step)
    mine = torch.arange(rank, ROWS, world)
    part = replace(
        whole,
        inputs={name: x[mine] for name, x in whole.inputs.items()},
        present=present[mine],
        target=whole.target[mine],
        index=whole.index[mine],
        mask=mask[mine],
    )
    seen = mask if method.encodes == "mask" else present
    return replace(part, where=rows_of(seen[mine], method.modalities))


def train(build: Callable[[Task], Method], task: Task, rank: int, world: int) -> dict[str, Any]:
    """Return gradients of every step, statistics of every epoch, and the weights at the end."""
    torch.manual_seed(0)
    method = steady(ready(build(task), task))
    inner = Loss(method)
    loss: nn.Module = inner
    if world > 1:
        loss = DistributedDataParallel(loss)  # as it comes: buffers are broadcast
    optimizer = torch.optim.SGD(method.parameters(), lr=0.05)
    seen: dict[str, Any] = {"gradients": [], "epochs": []}
    for epoch in range(EPOCHS):
        for step in range(STEPS):
            optimizer.zero_grad(set_to_none=False)
            loss(batch_of(method, step, rank, world), epoch).backward()
            method.on_gradients(inner.step)
            seen["gradients"].append([p.grad.clone() for p in method.parameters()])  # type: ignore[union-attr]
            optimizer.step()
        statistics = method.end_epoch(added if world > 1 else None)
        assert statistics is not None
        hard = method.hard_set()
        seen["epochs"].append(
            {
                "variance": statistics.variance.means,
                "loss": statistics.loss.means,
                "counts": statistics.loss.counts,
                "hard": torch.zeros(0) if hard is None else hard.clone(),
            }
        )
    seen["state"] = method.state_dict()
    return seen


def added(tensor: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes."""
    total = tensor.clone()
    dist.all_reduce(total)
    return total


def run(rank: int, world: int, slow: bool = False) -> dict[str, Any]:
    """Train everything."""
    return {name: train(build, task, rank, world) for name, (build, task) in cases(slow).items()}
