"""A method under Lightning's trainer: one step, one epoch, and what is kept of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from dmrnet.data.dataset import Splits
from dmrnet.data.loader import TrainLoader
from dmrnet.data.split import generator
from dmrnet.engine.average import WeightAverage
from dmrnet.engine.folder import RunFolder
from dmrnet.engine.optim import build_optimizer, build_schedule
from dmrnet.engine.selection import Selection, select
from dmrnet.engine.settings import Training
from dmrnet.engine.weights import save_weights
from dmrnet.methods.base import EpochStatistics, Method
from dmrnet.modalities import Batch, Warmup, build_sampler, from_index, name_of
from dmrnet.objectives import Step


@dataclass(frozen=True)
class Progress:
    """Where a run stands, for whoever shows it.

    Attributes:
        epoch: Finished epochs.
        epochs: Of the whole run.
        loss: Mean total loss of the last epoch.
        selection: Mean accuracy over combinations on validation, when last measured.
        best: The best of them so far.
    """

    epoch: int
    epochs: int
    loss: float
    selection: float | None
    best: float | None


class Trainee(pl.LightningModule):
    """Trains a method; selects on validation; records every epoch.

    Args:
        method: What is trained.
        splits: Its data.
        training: With epochs and batch size filled in.
        seed: Of the run.
        folder: Where records and weights go.
        report: Called after every epoch.
    """

    def __init__(
        self,
        method: Method,
        splits: Splits,
        training: Training,
        seed: int,
        folder: RunFolder,
        report: Callable[[Progress], None] | None = None,
    ) -> None:
        super().__init__()
        assert training.max_epochs is not None
        self.method = method
        self.average = WeightAverage(method, training.ema) if training.ema else None
        self.splits = splits
        self.training_settings = training
        self.epochs = training.max_epochs
        self.seed = seed
        self.folder = folder
        self.report = report
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.selected: Selection | None = None
        self.seconds = 0.0
        self.samples = 0
        self.noise: torch.Generator | None = None
        self.sums: dict[str, Tensor] = {}
        self.batches = 0
        self.step_seen: Step | None = None

    # --- data and optimizer ---------------------------------------------------------------------

    def train_dataloader(self) -> TrainLoader:
        """Return the batches of the coming epoch."""
        settings = self.training_settings
        assert settings.batch_size is not None
        loader = TrainLoader(
            self.splits.train,
            settings.batch_size,
            self.seed,
            Warmup(build_sampler(settings.sampler, settings.rates), settings.drop_after),
            self.method.encodes,
            rank=self.global_rank,
            world=self.trainer.world_size,
            num_workers=settings.num_workers,
        )
        loader.set_epoch(self.current_epoch)
        return loader

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return optimizer and schedule."""
        optimizer = build_optimizer(self.method, self.training_settings)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule: LambdaLR = build_schedule(optimizer, self.training_settings, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Send a batch, its mask and its index lists."""
        return batch if device.type == "cpu" else batch.to(device)

    # --- training -------------------------------------------------------------------------------

    def on_fit_start(self) -> None:
        """Put the averaged weights where the trained ones are."""
        if self.average is not None:
            self.average.model.to(self.device)

    def on_train_epoch_start(self) -> None:
        """Seed noise and layer dropout from (seed, epoch, rank), so that an epoch repeats."""
        self.started = time.perf_counter()
        key = (self.seed, self.current_epoch, self.global_rank)
        torch.manual_seed(generator(*key, 2).initial_seed())
        self.noise = torch.Generator(self.device).manual_seed(generator(*key, 3).initial_seed())
        self.sums, self.batches = {}, 0

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the total loss (Eq. 13)."""
        loss = self.method.training_loss(batch, self.current_epoch, self.noise)
        for name, value in {"loss": loss.total.detach(), **loss.parts}.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.batches += 1
        self.samples += len(batch)
        self.step_seen = loss.step
        return loss.total

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Let the method change its gradients, which are already added over processes."""
        if self.step_seen is not None:
            self.method.on_gradients(self.step_seen)

    def on_train_batch_end(self, outputs: object, batch: Batch, batch_idx: int) -> None:
        """Take the new weights into their average; let go of the step's tensors."""
        self.step_seen = None
        if self.average is not None:
            self.average.update(self.method)

    def on_train_epoch_end(self) -> None:
        """Mine, select, record."""
        many = self.trainer.world_size > 1
        statistics = self.method.end_epoch(self._add if many else None)
        self.seconds += time.perf_counter() - self.started
        epoch = self.current_epoch
        figures = {name: float(total) / self.batches for name, total in self.sums.items()}
        if epoch in selection_epochs(self.epochs, self.training_settings.select_times):
            figures["val_average"] = self._select()
        if self.trainer.is_global_zero:
            self.folder.add_metrics(epoch, figures | {"seconds": self.seconds})
            if statistics is not None:
                self.folder.add_variance(self.variance_rows(statistics))
            if self.report is not None:
                average = None if self.selected is None else self.selected.average
                self.report(Progress(epoch + 1, self.epochs, figures["loss"], average, self.best))

    @property
    def evaluated(self) -> Method:
        """What is evaluated and kept: the averaged weights, or the trained ones."""
        if self.average is None:
            return self.method
        average = self.average.model
        assert isinstance(average, Method)
        return average

    def _select(self) -> float:
        model = self.evaluated
        was_training = model.training
        model.eval()
        self.selected = select(
            model,
            self.splits.val,
            self.training_settings.select_budget,
            device=str(self.device),
        )
        model.train(was_training)
        score = self.selected.average
        last = self.training_settings.select == "last"
        if last or self.best is None or score > self.best:
            self.best, self.best_epoch = score, self.current_epoch
            if self.trainer.is_global_zero:
                save_weights(model, self.folder.weights)
        return score

    def variance_rows(self, statistics: EpochStatistics) -> list[dict[str, Any]]:
        """Return one row a combination for ``variance.jsonl``."""
        names = self.method.modalities
        seen = statistics.counts.nonzero().flatten().cpu()
        masks = from_index(seen, len(names))
        columns = (statistics.variance, statistics.loss, statistics.counts, statistics.hard)
        variance, loss, counts, hard = (column.cpu()[seen].tolist() for column in columns)
        return [
            {
                "epoch": self.current_epoch,
                "combination": name_of(mask, names),
                "mean_variance": None if v != v else v,
                "mean_loss": mean,
                "n": int(n),
                "hard": h,
            }
            for mask, v, mean, n, h in zip(masks, variance, loss, counts, hard, strict=True)
        ]

    def _add(self, tensor: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        total = tensor.clone()
        torch.distributed.all_reduce(total)
        return total

    # --- checkpoints ----------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what a resumed run needs beside weights and optimizer."""
        checkpoint["dmrnet"] = {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "seconds": self.seconds,
            "samples": self.samples,
        }
        if self.average is not None:
            checkpoint["dmrnet_average"] = {
                "state": self.average.model.state_dict(),
                "steps": self.average.steps,
            }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up what `on_save_checkpoint` put there."""
        for name, value in checkpoint["dmrnet"].items():
            setattr(self, name, value)
        if self.average is not None:
            self.average.model.load_state_dict(checkpoint["dmrnet_average"]["state"])
            self.average.steps = checkpoint["dmrnet_average"]["steps"]


def selection_epochs(epochs: int, times: int) -> frozenset[int]:
    """Return the epochs, counted from 0, at whose end weights are candidates; the last is one.

    >>> sorted(selection_epochs(10, 4))
    [2, 4, 7, 9]
    """
    times = min(times, epochs)
    return frozenset(-(-epochs * (i + 1) // times) - 1 for i in range(times))
