"""Checkpoints to go on from: written aside and renamed, the newest two kept."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl
import torch

from dmrnet.engine.folder import RunFolder

log = logging.getLogger(__name__)

KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """A finished epoch, counted from 0, and where it stands."""

    epoch: int
    path: Path


class Checkpoints(pl.Callback):
    """Saves after every epoch.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def found(self) -> list[Checkpoint]:
        """Return the checkpoints there are, oldest first."""
        pattern = re.compile(r"epoch-(\d+)\.ckpt")
        paths = self.folder.checkpoints.glob("epoch-*.ckpt")
        named = [(pattern.fullmatch(path.name), path) for path in paths]
        return sorted(
            (Checkpoint(int(match.group(1)), path) for match, path in named if match),
            key=lambda checkpoint: checkpoint.epoch,
        )

    def newest(self) -> Checkpoint | None:
        """Return the newest checkpoint that can be read; a broken one is passed over, said so."""
        for checkpoint in reversed(self.found()):
            try:
                torch.load(checkpoint.path, map_location="cpu", weights_only=True)
            except Exception as error:  # whatever is wrong, an older one may do
                log.warning("%s cannot be read (%s); trying the one before", checkpoint.path, error)
                continue
            return checkpoint
        return None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save, then drop what is older than the newest two."""
        epoch = trainer.current_epoch
        path = self.folder.checkpoints / f"epoch-{epoch:05d}.ckpt"
        aside = path.with_name(f".{path.name}")
        trainer.save_checkpoint(aside)
        if trainer.is_global_zero:
            aside.replace(path)
            for old in self.found()[:-KEPT]:
                old.path.unlink(missing_ok=True)
