"""Checkpoints to go on from: written whole, the newest two kept until the run ends."""

from __future__ import annotations

import copy
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.plugins.io import CheckpointIO
from torch import Tensor

from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.run.weights import misfit
from dmrnet.methods.base import Method, rename_weights
from dmrnet.nn.layers.decay import decayed_parameters
from dmrnet.storage import write_bytes

log = logging.getLogger(__name__)

KEPT = 2
"""Number of checkpoints that are kept."""

EVERY_SECONDS = 5.0
"""Shortest time between two checkpoints: the most work that a killed run repeats, or an epoch."""

PREFIX = "method."
"""Prefix of a method's weights in a checkpoint, as an attribute of `Trainee`."""

OURS = "dmrnet"
"""Key of what `Trainee` adds to a checkpoint."""


@dataclass(frozen=True)
class Checkpoint:
    """A finished epoch, counted from 0, and the file of its checkpoint."""

    epoch: int
    path: Path


class WholeFiles(CheckpointIO):
    """Writes a checkpoint whole or not at all, and reads tensors and plain values only.

    Attributes:
        hold: Whether the next checkpoint stays in memory, until `write_held` or the next such one.
    """

    def __init__(self) -> None:
        self.hold = False
        self._held: tuple[Path, dict[str, Any]] | None = None

    def write_held(self) -> None:
        """Write the checkpoint that is held in memory, if there is one."""
        if self._held is not None:
            _write(*self._held)
            self.drop_held()

    def drop_held(self) -> None:
        """Forget the checkpoint that is held in memory."""
        self._held = None

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: object = None,
    ) -> None:
        """Write a checkpoint, or hold a copy of it."""
        # Most are never written, and serialising one takes five times as long as copying it.
        if self.hold:
            self._held = (Path(path), copied(checkpoint))
        else:
            _write(Path(path), checkpoint)

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any = "cpu",  # noqa: ANN401
        weights_only: bool | None = True,
    ) -> dict[str, Any]:
        """Read a checkpoint; pickled code is refused, whatever the caller asks for.

        Raises:
            ValueError: If the file is damaged or no checkpoint of a run.
        """
        try:
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        except UnpicklingError as error:
            # Torch's own message advises to let the code in it run.
            raise ValueError("it holds more than tensors and plain values") from error
        except RuntimeError as error:
            raise ValueError("it is cut short or damaged") from error
        if not isinstance(checkpoint, dict) or not {OURS, "state_dict"} <= set(checkpoint):
            raise ValueError("it is no checkpoint of a run")
        return checkpoint

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint."""
        Path(path).unlink(missing_ok=True)


def _write(path: Path, checkpoint: dict[str, Any]) -> None:
    buffer = BytesIO()
    torch.save(checkpoint, buffer)
    write_bytes(path, buffer.getvalue())


def copied(value: Any) -> Any:  # noqa: ANN401
    """Return a copy that further training does not change, quicker than `copy.deepcopy`.

    >>> weights = {"w": torch.ones(1), "steps": [1]}
    >>> kept = copied(weights)
    >>> _ = weights["w"].zero_(), weights["steps"].append(2)
    >>> kept
    {'w': tensor([1.]), 'steps': [1]}
    """
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        # A state dictionary has attributes besides its items.
        other = copy.copy(value)
        other.update((name, copied(part)) for name, part in value.items())
        return other
    if type(value) in (list, tuple):
        return type(value)(copied(part) for part in value)
    return copy.deepcopy(value)


class Checkpoints(pl.callbacks.Checkpoint):
    """Saves a checkpoint at the end of epochs, after everything else that happens there.

    Args:
        folder: Folder of the run.

    Attributes:
        every: Shortest time, in seconds, between two checkpoints that are written. Those in between
            are held in memory, for a training that is interrupted. The last epoch's is written.
        files: Writer of the files.
    """

    every = EVERY_SECONDS

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.files = WholeFiles()
        self.saved = time.monotonic()

    def existing(self) -> list[Checkpoint]:
        """Return the checkpoints in the folder, oldest first."""
        paths = self.folder.checkpoints.glob("epoch-*.ckpt")
        numbers = {path.stem.removeprefix("epoch-"): path for path in paths}
        existing = [Checkpoint(int(n), path) for n, path in numbers.items() if n.isdecimal()]
        return sorted(existing, key=lambda checkpoint: checkpoint.epoch)

    def clear(self, keep_last: bool = False) -> None:
        """Remove the checkpoints of a finished run, but the last where it could go on later."""
        existing = self.existing()
        for checkpoint in existing[:-1] if keep_last else existing:
            # They only cost disk space, so a folder that cannot be written to may keep them.
            with suppress(OSError):
                checkpoint.path.unlink(missing_ok=True)

    def newest(self, method: Method | None = None) -> Checkpoint | None:
        """Return the newest checkpoint that can be read, with a warning for each that cannot.

        Args:
            method: Method that is to go on; a checkpoint of another method cannot be read.
        """
        for checkpoint in reversed(self.existing()):
            try:
                content = WholeFiles().load_checkpoint(checkpoint.path)
                state = content["state_dict"]
                if method is not None:
                    weights = {name.removeprefix(PREFIX): state[name] for name in state}
                    rename_weights(method, weights)
                    if wrong := misfit(method.state_dict(), weights):
                        raise ValueError(f"it does not fit the run's method: {wrong}")
                    decayed = content["optimizer_states"][0]["param_groups"][0]["params"]
                    if len(decayed) != sum(1 for _ in decayed_parameters(method)):
                        raise ValueError("another version decayed other parameters of the method")
            except Exception as error:  # whatever is wrong, an older one may do
                why = " ".join(str(error).split())[:200]
                log.warning("%s cannot be read (%s); trying the one before", checkpoint.path, why)
                continue
            return checkpoint
        return None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count the seconds from here."""
        self.saved = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save, then drop what is older than the newest two.

        Lightning calls this after the hook of the same name in `Trainee`, since it is a
        `Checkpoint`; any other callback would save before mining and selection.
        """
        epoch = trainer.current_epoch
        due = (
            time.monotonic() - self.saved >= self.every
            or epoch + 1 == trainer.max_epochs
            or trainer.received_sigterm
        )
        # All processes save together, and their clocks differ.
        due = trainer.strategy.broadcast(due)
        self.files.hold = not due
        trainer.save_checkpoint(self.folder.checkpoints / f"epoch-{epoch:05d}.ckpt")
        # Those of other callbacks are written at once.
        self.files.hold = False
        if not due:
            return
        self.files.drop_held()
        if trainer.is_global_zero:
            for old in self.existing()[:-KEPT]:
                old.path.unlink(missing_ok=True)
        self.saved = time.monotonic()
