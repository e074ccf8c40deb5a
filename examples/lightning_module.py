"""A LightningModule around a method, for a Trainer, callbacks and loggers of your own.

``python examples/lightning_module.py``. The samples are those of ``plain_torch.py``.
"""

from __future__ import annotations

import sys
from typing import Any

import lightning.pytorch as pl
import torch
from plain_torch import TASK, batch_of, load, score
from torch.utils.data import DataLoader

from dmrnet import Batch, build_method


class MissingModalities(pl.LightningModule):
    """Trains a method under random masks."""

    def __init__(self, name: str = "dmrnet", lr: float = 1e-3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.method = build_method(name, TASK)

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Batch:  # noqa: ANN401
        """Draw the masks on the CPU; Lightning then moves the whole batch."""
        return self.method.draw_masks(batch_of(batch))

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Return the loss, and log its terms."""
        loss = self.method.training_loss(batch, self.current_epoch)
        self.last_step = loss.step
        self.log_dict(
            dict(loss.parts), on_step=False, on_epoch=True, sync_dist=True, batch_size=len(batch)
        )
        return loss.total

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Let the method change its gradients."""
        self.method.on_gradients(self.last_step)

    def on_train_epoch_end(self) -> None:
        """Close the epoch, over all processes."""
        reduce = self.trainer.strategy.reduce
        self.method.end_epoch(lambda table: reduce(table.clone(), reduce_op="sum"))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.AdamW(self.parameters(), lr=self.hparams["lr"])


def main(epochs: int = 3, rows: int = 512, **trainer: Any) -> dict[str, float]:  # noqa: ANN401
    """Train and score."""
    pl.seed_everything(0, verbose=False)
    module = MissingModalities()
    loader = DataLoader(load(rows), batch_size=32, shuffle=True)
    pl.Trainer(max_epochs=epochs, **trainer).fit(module, loader)
    return score(module.method.cpu(), rows)


if __name__ == "__main__":
    for name, value in main().items():
        sys.stdout.write(f"{name:14} {value:.3f}\n")
