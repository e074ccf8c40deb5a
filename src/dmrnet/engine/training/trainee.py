"""A method under Lightning's trainer: its steps, its epochs, and their records."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from dmrnet.data.balance import NO_WEIGHTS, class_weights_of
from dmrnet.data.dataset import Dataset, Splits
from dmrnet.data.loader import TrainLoader
from dmrnet.data.splits.split import generator
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.scores.rows import statistics_rows
from dmrnet.engine.training.average import WeightAverage
from dmrnet.engine.training.checkpoints import OURS
from dmrnet.engine.training.clip import clip
from dmrnet.engine.training.divergence import DivergenceMonitor
from dmrnet.engine.training.loggers import call_callbacks
from dmrnet.engine.training.optim import build_optimizer, build_schedule
from dmrnet.engine.training.selection import DEFAULT_MEASURE
from dmrnet.engine.training.steps import Steps, add_over_ranks, check_steps
from dmrnet.engine.training.validation import Validation
from dmrnet.evaluation import Measure
from dmrnet.methods.base import Method
from dmrnet.modalities import Batch, MaskSampler, Warmup, build_sampler
from dmrnet.objectives import Step
from dmrnet.settings.training import Training

AVERAGE = "dmrnet_average"
"""Key of the averaged weights in a checkpoint."""

COUNTED = ("seconds", "cpu_seconds", "samples")
"""Attributes of `Trainee` that a checkpoint holds."""

SELECTED = ("best", "best_epoch", "last_score")
"""Attributes of `Validation` that a checkpoint holds."""


@dataclass(frozen=True)
class Progress:
    """Progress of a training, for a progress bar.

    Attributes:
        epoch: Number of finished epochs.
        epochs: Number of epochs of the whole training.
        loss: Mean total loss of the last epoch.
        selection: Mean score over combinations on validation, when last measured.
        best: Best of these scores so far.
        score: Label of the score.
        metric: Its name in rows.
    """

    epoch: int
    epochs: int
    loss: float
    selection: float | None
    best: float | None
    score: str = "accuracy"
    metric: str = "accuracy"


def loss_weights(training: Training, train: Dataset) -> Tensor | None:
    """Return the weight of each class in the loss, float32 ``(M,)``; None for 1 each.

    Raises:
        ValueError: If classes are to be weighted, or drawn evenly, where samples have no one class.
    """
    task = train.task
    if training.class_weights == NO_WEIGHTS and training.draw == "each":
        return None
    if task.dense:
        raise ValueError(
            "class_weights and draw are for one class per sample, but every pixel has a class; see "
            "weights and seldom of the data images (--data.weights, --data.seldom)"
        )
    if task.target not in ("classes", "ordinal"):
        raise ValueError(
            f"class_weights and draw are for one class per sample, but the task is {task.target}; "
            "give weights of samples in Python: MultimodalDataset(..., weights=...)"
        )
    counts = train.target.bincount(minlength=len(task.classes))
    return class_weights_of(training.class_weights, task.classes, counts)


class Trainee(pl.LightningModule):
    """Trains a method, selects weights on validation, records every epoch.

    Args:
        method: Method to train.
        splits: Data of the run.
        training: Training settings with epochs and batch size filled in.
        seed: Seed of the run.
        folder: Folder of the run, for records and weights.
        report: Called after every epoch.
        measure: Measure that weights are selected by.
        masks: Sampler of the masks, instead of the one that the settings name.
    """

    def __init__(
        self,
        method: Method,
        splits: Splits,
        training: Training,
        seed: int,
        folder: RunFolder,
        report: Callable[[Progress], None] | None = None,
        measure: Measure = DEFAULT_MEASURE,
        masks: MaskSampler | None = None,
    ) -> None:
        super().__init__()
        assert training.max_epochs is not None
        self.method = method
        self.average = WeightAverage(method, training.ema) if training.ema else None
        self.splits = splits
        self.training_settings = training
        self.epochs = training.max_epochs
        self.class_weights = loss_weights(training, splits.train)
        self.seed = seed
        self.folder = folder
        self.report = report
        self.masks = masks or build_sampler(training.sampler, training.rates)
        self.validation = Validation(splits.val, training, measure, folder)
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        self.samples = 0
        self.noise: torch.Generator | None = None
        self.steps = Steps(0)
        self.divergence = DivergenceMonitor()
        self.last_step: Step | None = None
        self.started = 0.0
        self.cpu_started = 0.0
        self.lr = 0.0
        self.loader: TrainLoader
        self.trained: list[nn.Parameter] = []
        self.clip_groups: list[list[nn.Parameter]] = []

    def __setattr__(self, name: str, value: Any) -> None:  # noqa: ANN401
        """Set an attribute; quickly where Lightning names its hook, some fifty times a step.

        Torch would first look whether the value is a parameter or a module.
        """
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    @property
    def evaluated(self) -> Method:
        """Method that is evaluated and kept: with the averaged weights, or the trained one."""
        if self.average is None:
            return self.method
        average = self.average.model
        assert isinstance(average, Method)
        return average

    # --- data and optimizer ---------------------------------------------------------------------

    def train_dataloader(self) -> TrainLoader:
        """Return the batches; one loader for all epochs, so that its workers live on."""
        settings = self.training_settings
        assert settings.batch_size is not None
        self.loader = TrainLoader(
            self.splits.train,
            settings.batch_size,
            self.seed,
            Warmup(self.masks, settings.drop_after),
            self.method.encodes,
            rank=self.global_rank,
            world=self.trainer.world_size,
            num_workers=settings.num_workers,
            pin_memory=self.device.type == "cuda",
            class_weights=self.class_weights,
            balanced=settings.draw == "balanced",
        )
        return self.loader

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return optimizer and schedule."""
        optimizer = build_optimizer(self.method, self.training_settings)
        steps = int(self.trainer.estimated_stepping_batches) // self.epochs
        schedule: LambdaLR = build_schedule(optimizer, self.training_settings, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Move a batch, its mask and its index lists."""
        return batch if device.type == "cpu" else batch.to(device)

    # --- training -------------------------------------------------------------------------------

    def on_fit_start(self) -> None:
        """List the parameters once; move the averaged weights to the device of the trained ones."""
        optimizer: torch.optim.Optimizer = self.trainer.optimizers[0]
        self.trained = [p for group in optimizer.param_groups for p in group["params"]]
        groups = [list(module.parameters()) for module in self.method.clip_groups()]
        self.clip_groups = groups or [self.trained]
        if self.average is not None:
            self.average.follow(self.method)
        if self.trainer.is_global_zero:
            self.divergence = DivergenceMonitor(self.folder.losses())

    def on_train_epoch_start(self) -> None:
        """Seed order, masks, noise and layer dropout by seed and epoch, so that it repeats."""
        self.started, self.cpu_started = time.perf_counter(), time.process_time()
        self.lr = self.trainer.optimizers[0].param_groups[0]["lr"]
        # The loader reads its epoch when its first batch is asked for, which is later.
        self.loader.set_epoch(self.current_epoch)
        key = (self.seed, self.current_epoch, self.global_rank)
        torch.manual_seed(generator(*key, 2).initial_seed())
        self.noise = torch.Generator(self.device).manual_seed(generator(*key, 3).initial_seed())
        self.steps = Steps(self.current_epoch, self.splits.train.samples)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the total loss (Eq. 13)."""
        loss = self.method.training_loss(batch, self.current_epoch, self.noise)
        total, parts = loss.total, loss.parts
        # Gradients are averaged over processes; one with a row more than another counts for more.
        weight = len(batch) * self.trainer.world_size / self.loader.rows(batch_idx)
        if weight != 1:
            total, parts = weight * total, {name: weight * part for name, part in parts.items()}
        self.steps.add(batch.index, {"loss": total.detach(), **parts})
        self.last_step = loss.step
        return total

    def optimizer_zero_grad(
        self, epoch: int, batch_idx: int, optimizer: torch.optim.Optimizer
    ) -> None:
        """Forget the gradients of the step before, without the optimizer's hooks."""
        for parameter in self.trained:
            parameter.grad = None

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Let the method change its gradients, which are already reduced over processes."""
        if self.last_step is not None:
            self.method.on_gradients(self.last_step)
        if not self.training_settings.clip:
            self.steps.add_gradients(p.grad for p in self.trained if p.grad is not None)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by the norm of all gradients, which also shows whether each of them is finite.

        Each group of `TrainingHooks.clip_groups` is clipped by its own norm. Lightning's own
        clipping refuses a fused optimizer in mixed precision because of a gradient scaler, which
        bf16 does not use.
        """
        if gradient_clip_val:
            norms = [clip(some, gradient_clip_val) for some in self.clip_groups]
            self.steps.add_gradients(norms)

    def on_train_batch_end(self, outputs: object, batch: Batch, batch_idx: int) -> None:
        """Add the new weights to their average; release the step's tensors."""
        self.last_step = None
        if self.average is not None:
            self.average.update()
        check_steps(self.trainer, self.steps)

    def on_train_epoch_end(self) -> None:
        """Mine, select, record."""
        if self.trainer.is_global_zero:
            self.folder.check_there()
        check_steps(self.trainer, self.steps, now=True)
        self.validation.report_predictions(self.method, self.trainer)
        many = self.trainer.world_size > 1
        statistics = self.method.end_epoch(add_over_ranks if many else None)
        if self.average is not None:
            self.average.copy_counts()
        self.seconds += time.perf_counter() - self.started
        self.cpu_seconds += time.process_time() - self.cpu_started
        epoch, validation = self.current_epoch, self.validation
        figures = self._means()
        if epoch in validation.epochs:
            call_callbacks(self.trainer, self, "on_validation_start", "on_validation_epoch_start")
            figures[validation.metric] = validation.select(self.evaluated, self.trainer)
            if validation.out_of_patience(epoch):
                self.trainer.should_stop = True
        self._log(figures)
        if epoch in validation.epochs:
            call_callbacks(self.trainer, self, "on_validation_epoch_end", "on_validation_end")
        if not self.trainer.is_global_zero:
            return
        self.folder.add_metrics(epoch, figures | {"seconds": self.seconds})
        self.divergence.add(epoch, figures["loss"])
        if statistics is not None:
            hard = self.method.hard_set()
            self.folder.add_variance(
                statistics_rows(epoch, statistics, hard, self.method.modalities)
            )
        if self.report is not None:
            self.report(
                Progress(
                    epoch + 1,
                    self.epochs,
                    figures["loss"],
                    validation.last_score,
                    validation.best,
                    validation.measure.label,
                    validation.measure.name,
                )
            )

    def _log(self, figures: Mapping[str, float]) -> None:
        """Show loggers and callbacks the figures of an epoch, by the names of ``metrics.csv``.

        Added are ``lr``, the learning rate of its first step, and, where weights were scored,
        ``val_METRIC/COMBINATION``.
        """
        values = {**figures, "lr": self.lr}
        if self.current_epoch in self.validation.epochs:
            start = f"val_{self.validation.measure.name}/"
            values |= {start + name: x for name, x in self.validation.by_combination.items()}
        if len(self.trainer.callbacks) > 1:  # type: ignore[attr-defined]
            # Where callbacks look. The same on every process, so there is nothing to add up.
            self.log_dict(values, logger=False)
        for logger in self.trainer.loggers:
            logger.log_metrics(values, self.current_epoch)
            logger.save()

    def _means(self) -> dict[str, float]:
        """Return the mean of every term over the epoch and all processes; count the samples."""
        sums = self.steps.sums()
        totals = torch.stack([*sums.values(), sums["loss"].new_tensor(self.steps.samples)])
        if self.trainer.world_size > 1:
            totals = add_over_ranks(totals)
        *of_terms, samples = totals.tolist()
        self.samples += round(samples)
        steps = len(self.steps) * self.trainer.world_size
        return {name: total / steps for name, total in zip(sums, of_terms, strict=True)}

    # --- checkpoints ----------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what a resumed run needs besides weights and optimizer."""
        checkpoint[OURS] = {
            **{name: getattr(self, name) for name in COUNTED},
            **{name: getattr(self.validation, name) for name in SELECTED},
        }
        if self.average is not None:
            checkpoint[AVERAGE] = {
                "state": self.average.model.state_dict(),
                "steps": self.average.steps,
            }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Read what `on_save_checkpoint` has added."""
        state = checkpoint[OURS]
        for name in COUNTED:
            setattr(self, name, state[name])
        for name in SELECTED:
            setattr(self.validation, name, state[name])
        if self.average is not None:
            self.average.model.load_state_dict(checkpoint[AVERAGE]["state"])
            self.average.steps = checkpoint[AVERAGE]["steps"]
