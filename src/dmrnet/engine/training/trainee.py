"""A method under Lightning's trainer: one step, one epoch, and what is kept of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from dmrnet.data.dataset import Splits
from dmrnet.data.loader import TrainLoader
from dmrnet.data.split import generator
from dmrnet.engine.folder import RunFolder
from dmrnet.engine.scoring import naming_samples
from dmrnet.engine.training.average import WeightAverage
from dmrnet.engine.training.checkpoints import OURS
from dmrnet.engine.training.divergence import DivergenceMonitor
from dmrnet.engine.training.optim import build_optimizer, build_schedule
from dmrnet.engine.training.selection import (
    DEFAULT_MEASURE,
    better,
    predicted_classes,
    selection_epochs,
    selection_score,
)
from dmrnet.engine.training.steps import GRADIENTS, NotFiniteError, Steps
from dmrnet.engine.weights import save_weights
from dmrnet.evaluation import Measure, NoClassError
from dmrnet.methods.base import Method
from dmrnet.modalities import Batch, Warmup, build_sampler, from_index, name_of
from dmrnet.objectives import EpochStatistics, Step
from dmrnet.settings.training import Training

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """Where a run stands, for whoever shows it.

    Attributes:
        epoch: Finished epochs.
        epochs: Of the whole run.
        loss: Mean total loss of the last epoch.
        selection: Mean score over combinations on validation, when last measured.
        best: The best of them so far.
        score: What is measured.
    """

    epoch: int
    epochs: int
    loss: float
    selection: float | None
    best: float | None
    score: str = "accuracy"


class Trainee(pl.LightningModule):
    """Trains a method; selects on validation; records every epoch.

    Args:
        method: What is trained.
        splits: Its data.
        training: With epochs and batch size filled in.
        seed: Of the run.
        folder: Where records and weights go.
        report: Called after every epoch.
        measure: What epochs are selected by.
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
        self.measure = measure
        self.select_at = selection_epochs(self.epochs, training.select_times)
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.last_score: float | None = None
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        self.samples = 0
        self.noise: torch.Generator | None = None
        self.steps = Steps(0)
        self.divergence = DivergenceMonitor()
        self.step_seen: Step | None = None
        self.started = 0.0
        self.cpu_started = 0.0
        self.loader: TrainLoader
        self.trained: list[nn.Parameter] = []
        self.bounded: list[list[nn.Parameter]] = []

    def __setattr__(self, name: str, value: Any) -> None:  # noqa: ANN401
        """Set an attribute; past torch's look for parameters where Lightning names its hook.

        It does so some fifty times a step.
        """
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    # --- data and optimizer ---------------------------------------------------------------------

    def train_dataloader(self) -> TrainLoader:
        """Return the batches; one loader for all epochs, so that its workers live on."""
        settings = self.training_settings
        assert settings.batch_size is not None
        self.loader = TrainLoader(
            self.splits.train,
            settings.batch_size,
            self.seed,
            Warmup(build_sampler(settings.sampler, settings.rates), settings.drop_after),
            self.method.encodes,
            rank=self.global_rank,
            world=self.trainer.world_size,
            num_workers=settings.num_workers,
            pin_memory=self.device.type == "cuda",
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
        """Send a batch, its mask and its index lists."""
        return batch if device.type == "cpu" else batch.to(device)

    # --- training -------------------------------------------------------------------------------

    def on_fit_start(self) -> None:
        """List the parameters once; put the averaged weights where the trained ones are."""
        optimizer: torch.optim.Optimizer = self.trainer.optimizers[0]
        self.trained = [p for group in optimizer.param_groups for p in group["params"]]
        apart = [list(module.parameters()) for module in self.method.clip_groups()]
        self.bounded = apart or [self.trained]
        if self.average is not None:
            self.average.follow(self.method)
        if self.trainer.is_global_zero:
            self.divergence = DivergenceMonitor(self.folder.losses())

    def on_train_epoch_start(self) -> None:
        """Derive order, masks, noise and layer dropout from seed and epoch, so that it repeats."""
        self.started, self.cpu_started = time.perf_counter(), time.process_time()
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
        # Processes' gradients are averaged; one that has a row more than another counts for more.
        weight = len(batch) * self.trainer.world_size / self.loader.rows(batch_idx)
        if weight != 1:
            total, parts = weight * total, {name: weight * part for name, part in parts.items()}
        self.steps.add(batch.index, {"loss": total.detach(), **parts})
        self.step_seen = loss.step
        return total

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Let the method change its gradients, which are already added over processes."""
        if self.step_seen is not None:
            self.method.on_gradients(self.step_seen)
        if not self.training_settings.clip:
            self.steps.add_gradients(p.grad for p in self.trained if p.grad is not None)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by the norm of all gradients, which tells whether each of them is finite.

        Each group of `Method.clip_groups` is clipped by its own norm. Lightning's own clipping
        refuses a fused optimizer in mixed precision, for the sake of a scaler that bf16 has not.
        """
        if gradient_clip_val:
            norms = [nn.utils.clip_grad_norm_(some, gradient_clip_val) for some in self.bounded]
            self.steps.add_gradients(norms)

    def on_train_batch_end(self, outputs: object, batch: Batch, batch_idx: int) -> None:
        """Take the new weights into their average; let go of the step's tensors."""
        self.step_seen = None
        if self.average is not None:
            self.average.update()
        self._look()

    def on_train_epoch_end(self) -> None:
        """Mine, select, record."""
        self._look(now=True)
        self._tell()
        statistics = self.method.end_epoch(self._add if self._many else None)
        if self.average is not None:
            self.average.copy_counts()
        self.seconds += time.perf_counter() - self.started
        self.cpu_seconds += time.process_time() - self.cpu_started
        epoch = self.current_epoch
        figures = self._means()
        if epoch in self.select_at:
            name = "val_complete" if self._complete else "val_average"
            figures[name] = self.last_score = self._select()
        if self.trainer.is_global_zero:
            self.folder.add_metrics(epoch, figures | {"seconds": self.seconds})
            self.divergence.add(epoch, figures["loss"])
            if statistics is not None:
                self.folder.add_variance(self.variance_rows(statistics))
            if self.report is not None:
                self.report(
                    Progress(
                        epoch + 1,
                        self.epochs,
                        figures["loss"],
                        self.last_score,
                        self.best,
                        self.measure.label,
                    )
                )

    def _tell(self) -> None:
        """Tell the method what it predicts on validation now, if it asks."""
        combinations = self.method.combinations_to_validate(self.current_epoch)
        if combinations is None:
            return

        def counts() -> Tensor:
            self.method.eval()
            found = predicted_classes(self.method, self.splits.val, combinations, self.device)
            self.method.train()
            return found

        self.method.on_validation_predictions(
            self._by_the_first(counts, torch.zeros(())).to(self.device)
        )

    def _by_the_first(self, work: Callable[[], T], elsewhere: T) -> T:
        """Return on all processes what the first finds on validation; what stops it stops all.

        Raises:
            NotFiniteError: If a sample has no class.
        """
        value, broken = elsewhere, ""
        if self.trainer.is_global_zero:
            try:
                with naming_samples("on validation", self.splits.val):
                    value = work()
            except NoClassError as error:
                broken = str(error)
        if self._many:
            value, broken = self.trainer.strategy.broadcast((value, broken))
        if broken:
            raise NotFiniteError(
                f"training stopped at the end of epoch {self.current_epoch + 1}: {broken}, or try "
                "a lower --lr or --clip"
            )
        return value

    def _look(self, now: bool = False) -> None:
        """Look at the steps' values; what one process finds stops all, with the same words.

        Raises:
            NotFiniteError: If a value of any process is not finite.
        """
        if not self._many:
            self.steps.look(now)
            return
        found: str | None = None
        try:
            if not self.steps.look(now):
                return
        except NotFiniteError as error:
            found = str(error)
        said: list[str | None] = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(said, found)
        if broken := [text for text in said if text is not None]:
            # Averaged, the gradients are broken everywhere; the loss only where the cause is.
            raise NotFiniteError(min(broken, key=lambda text: GRADIENTS in text))

    def _means(self) -> dict[str, float]:
        """Return the mean of every term over the epoch and all processes; count the samples."""
        sums = self.steps.sums()
        totals = torch.stack([*sums.values(), sums["loss"].new_tensor(self.steps.samples)])
        if self._many:
            totals = self._add(totals)
        *of_terms, samples = totals.tolist()
        self.samples += round(samples)
        steps = len(self.steps) * self.trainer.world_size
        return {name: total / steps for name, total in zip(sums, of_terms, strict=True)}

    @property
    def evaluated(self) -> Method:
        """What is evaluated and kept: the averaged weights, or the trained ones."""
        if self.average is None:
            return self.method
        average = self.average.model
        assert isinstance(average, Method)
        return average

    def _select(self) -> float:
        """Score on validation; keep the weights if they are the best so far."""
        # The first process's, whose normalisation statistics are the ones that are kept.
        score = self._by_the_first(self._score, 0.0)
        if self.training_settings.select == "last" or better(self.measure, score, self.best):
            self.best, self.best_epoch = score, self.current_epoch
            if self.trainer.is_global_zero:
                save_weights(self.evaluated, self.folder.weights)
        return score

    def _score(self) -> float:
        model = self.evaluated
        was_training = model.training
        model.eval()
        budget, complete = self.training_settings.select_budget, self._complete
        device = str(self.device)
        score = selection_score(model, self.splits.val, budget, device, self.measure, complete)
        model.train(was_training)
        return score

    @property
    def _complete(self) -> bool:
        return self.training_settings.select == "complete"

    @property
    def _many(self) -> bool:
        return self.trainer.world_size > 1

    def variance_rows(self, statistics: EpochStatistics) -> list[dict[str, Any]]:
        """Return one row a combination for ``variance.jsonl``."""
        names = self.method.modalities
        counts = statistics.loss.counts
        seen = counts.nonzero().flatten().cpu()
        masks = from_index(seen, len(names))
        hard_set = self.method.hard_set()
        if hard_set is None:
            hard_set = torch.zeros_like(counts, dtype=torch.bool)
        columns = (statistics.variance.means, statistics.loss.means, counts, hard_set)
        variance, loss, number, hard = (column.cpu()[seen].tolist() for column in columns)
        return [
            {
                "epoch": self.current_epoch,
                "combination": name_of(mask, names),
                "mean_variance": None if v != v else v,
                "mean_loss": mean,
                "n": int(n),
                "hard": h,
            }
            for mask, v, mean, n, h in zip(masks, variance, loss, number, hard, strict=True)
        ]

    def _add(self, tensor: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        total = tensor.clone()
        torch.distributed.all_reduce(total)
        return total

    # --- checkpoints ----------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what a resumed run needs beside weights and optimizer."""
        checkpoint[OURS] = {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "last_score": self.last_score,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "samples": self.samples,
        }
        if self.average is not None:
            checkpoint["dmrnet_average"] = {
                "state": self.average.model.state_dict(),
                "steps": self.average.steps,
            }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up what `on_save_checkpoint` put there."""
        for name, value in checkpoint[OURS].items():
            setattr(self, name, value)
        if self.average is not None:
            self.average.model.load_state_dict(checkpoint["dmrnet_average"]["state"])
            self.average.steps = checkpoint["dmrnet_average"]["steps"]
