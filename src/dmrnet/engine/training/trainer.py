"""Lightning's trainer, without what this package does by itself."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, ModelSummary, ProgressBar
from lightning.pytorch.loggers import Logger
from lightning.pytorch.profilers import PassThroughProfiler

from dmrnet.engine.training.checkpoints import Checkpoints
from dmrnet.engine.training.processes import launch
from dmrnet.engine.training.trainee import Trainee
from dmrnet.settings.training import Training

log = logging.getLogger(__name__)


class NoProfiler(PassThroughProfiler):
    """Times nothing; Lightning's own makes a generator for each of some fifty hooks of a step."""

    _nothing = nullcontext()

    def profile(self, action_name: str) -> Any:  # noqa: ANN401
        """Return a context that does nothing."""
        return self._nothing


def build_trainer(
    training: Training,
    checkpoints: Checkpoints,
    loggers: Sequence[Logger] = (),
    callbacks: Sequence[Callback] = (),
) -> pl.Trainer:
    """Return the trainer of a run.

    Raises:
        ValueError: If the accelerator or its devices are not available.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        return pl.Trainer(
            accelerator=_accelerator(training),
            devices=training.devices or 1,
            num_nodes=training.nodes or 1,
            precision="bf16-mixed" if training.precision == "bf16" else "32-true",
            max_epochs=training.max_epochs,
            gradient_clip_val=training.clip or None,
            default_root_dir=checkpoints.folder.path,
            callbacks=[*callbacks, checkpoints],
            plugins=[checkpoints.files, *_cluster()],
            logger=list(loggers),
            enable_progress_bar=any(isinstance(one, ProgressBar) for one in callbacks),
            enable_model_summary=any(isinstance(one, ModelSummary) for one in callbacks),
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            profiler=NoProfiler(),
        )
    except MisconfigurationException as error:
        raise ValueError(
            f"cannot train on accelerator {training.accelerator} with devices "
            f"{training.devices}: {error}"
        ) from error


def run_trainer(trainer: pl.Trainer, trainee: Trainee, checkpoint: Path | None) -> None:
    """Train, from a checkpoint if there is one.

    Raises:
        KeyboardInterrupt: If it was interrupted.
        SystemExit: If it was asked to end (SIGTERM), with the code that shells give that.
    """
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        with warnings.catch_warnings():
            # Lightning advises worker processes and a logger; both are settled here.
            warnings.filterwarnings("ignore", module="lightning.*")
            trainer.fit(trainee, ckpt_path=checkpoint, weights_only=True)
    except SystemExit:
        if trainer.received_sigterm:
            log.warning("asked to end; the same command goes on after the last checkpoint")
            raise SystemExit(128 + signal.SIGTERM) from None
        if not trainer.interrupted:
            raise
        # Lightning turns Ctrl-C into an exit and leaves the process deaf to another one.
        signal.signal(signal.SIGINT, on_interrupt)
        raise KeyboardInterrupt from None


def _cluster() -> list[SLURMEnvironment]:
    """Return the plugin that finds the other processes under SLURM.

    Lightning's default would save checkpoints in the middle of an epoch and requeue the job.
    """
    launcher = launch()
    by_slurm = launcher is not None and launcher.by == "SLURM"
    return [SLURMEnvironment(auto_requeue=False)] if by_slurm else []


def _accelerator(training: Training) -> str:
    """Return where to train; Apple's GPUs have no float64, which mining sums need."""
    if training.accelerator == "auto" and not torch.cuda.is_available():
        return "cpu"
    return training.accelerator
