"""The plain loop on several processes, each with a part of the samples.

``torchrun --nproc-per-node 2 examples/distributed.py``. The samples are those of
``plain_torch.py``.
"""

from __future__ import annotations

import os
import sys

import torch
import torch.distributed as dist
from plain_torch import TASK, batch_of, load, score
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler

from dmrnet import Batch, build_method
from dmrnet.methods import Method
from dmrnet.methods.base import StepLoss


class TrainingLoss(nn.Module):
    """What DistributedDataParallel wraps: its forward is the training loss."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, batch: Batch, epoch: int, generator: torch.Generator) -> StepLoss:
        """Return the loss of a step."""
        return self.method.training_loss(batch, epoch, generator)


def add(table: torch.Tensor) -> torch.Tensor:
    """Return the sum of a tensor over all processes."""
    total = table.clone()
    dist.all_reduce(total)
    return total


def main(epochs: int = 3, rows: int = 512) -> dict[str, float]:
    """Train on all processes; score."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    if device.type == "cuda":
        torch.cuda.set_device(dist.get_node_local_rank())
    torch.manual_seed(0)  # the same samples and weights on every process
    method = build_method("dmrnet", TASK).to(device)
    loss_of = DistributedDataParallel(TrainingLoss(method))
    samples = load(rows)
    sampler: DistributedSampler[tuple[torch.Tensor, ...]] = DistributedSampler(samples)
    loader = DataLoader(samples, batch_size=32, sampler=sampler)
    optimizer = torch.optim.AdamW(method.parameters(), lr=1e-3)
    masks = torch.Generator().manual_seed(dist.get_rank())
    noise = torch.Generator(device).manual_seed(dist.get_rank())
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        method.train()
        for drawn in loader:
            batch = method.draw_masks(batch_of(drawn), masks).to(device)
            loss = loss_of(batch, epoch, noise)
            optimizer.zero_grad()
            loss.total.backward()  # reduces gradients over processes
            method.on_gradients(loss.step)
            optimizer.step()
        method.end_epoch(add)  # every process mines from the statistics of all
    scores = score(method.cpu(), rows)
    dist.destroy_process_group()
    return scores


if __name__ == "__main__":
    scores = main()
    if int(os.environ["RANK"]) == 0:
        for name, value in scores.items():
            sys.stdout.write(f"{name:14} {value:.3f}\n")
