"""A plain torch loop: a method trained on a data loader of your own.

``python examples/plain_torch.py``. The samples are random numbers; put yours into `load`.
"""

from __future__ import annotations

import sys

import torch
from torch.utils.data import DataLoader, TensorDataset

from dmrnet import Batch, Modality, Task, build_method
from dmrnet.evaluation import accuracy, evaluate
from dmrnet.methods import Method
from dmrnet.modalities import all_combinations, name_of

TASK = Task(
    (Modality("camera", "image", (1, 8, 8)), Modality("radar", "vector", (12,))), ("walk", "run")
)


def load(rows: int) -> TensorDataset:
    """Return images, vectors and classes; a row of NaN is an absent modality."""
    target = torch.randint(2, (rows,))
    camera = torch.randn(rows, 1, 8, 8) + target.view(-1, 1, 1, 1)
    radar = torch.randn(rows, 12) - target.view(-1, 1)
    radar[::5] = torch.nan
    return TensorDataset(camera, radar, target)


def batch_of(samples: tuple[torch.Tensor, ...]) -> Batch:
    """Return a batch of what the data loader yields."""
    camera, radar, target = samples
    return Batch.of(TASK, {"camera": camera, "radar": radar}, target)


def train(method: Method, epochs: int, rows: int) -> None:
    """Train a method: the whole loop."""
    loader = DataLoader(load(rows), batch_size=32, shuffle=True)
    optimizer = torch.optim.AdamW(method.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    for epoch in range(epochs):
        method.train()
        for samples in loader:
            batch = method.draw_masks(batch_of(samples), generator)
            loss = method.training_loss(batch, epoch, generator)
            optimizer.zero_grad()
            loss.total.backward()
            method.on_gradients(loss.step)
            optimizer.step()
        # DMRNet mines hard combinations from the statistics that this closes.
        method.end_epoch()


def score(method: Method, rows: int) -> dict[str, float]:
    """Return the accuracy under every combination, on the samples that have it."""
    masks = all_combinations(len(TASK.modalities))
    batches = map(batch_of, DataLoader(load(rows), batch_size=256))
    evaluation = evaluate(method.eval(), batches, masks, len(TASK.classes))
    names = [name_of(mask, TASK.modalities) for mask in masks]
    return dict(zip(names, accuracy(evaluation.confusion).tolist(), strict=True))


def main(epochs: int = 3, rows: int = 512) -> dict[str, float]:
    """Train DMRNet and score it."""
    torch.manual_seed(0)
    method = build_method("dmrnet", TASK)
    train(method, epochs, rows)
    return score(method, rows)


if __name__ == "__main__":
    for name, value in main().items():
        sys.stdout.write(f"{name:14} {value:.3f}\n")
