"""A warning for training loops that never close an epoch."""

from __future__ import annotations

import warnings

MEND = "call method.end_epoch() after every epoch: until then this method learns nothing from it"


class EpochReminder:
    """Warns once if `Method.end_epoch` is never called for a method that learns from epochs.

    The signs are a step of a later epoch while an earlier one is open or, in loops that do not pass
    the epoch, a return to training after a second evaluation without any closed epoch.
    """

    def __init__(self) -> None:
        self._open: int | None = None
        self._evaluations = 0
        self._stepped = self._closed = self._done = False

    def on_step(self, epoch: int) -> None:
        """Note a training step."""
        self._stepped = True
        if self._open is None:
            self._open = epoch
        elif epoch > self._open and not self._done:
            self._warn(f"epoch {epoch} of training begins, but epoch {self._open} is still open")

    def on_training_again(self) -> None:
        """Note a change from evaluation to training mode."""
        if self._open is None or self._closed or self._done or not self._stepped:
            return
        # Two evaluations in a row, as of two sets of samples, are one.
        self._stepped = False
        self._evaluations += 1
        if self._evaluations == 2:
            self._warn("training goes on after a second evaluation, but no epoch was ever closed")

    def on_close(self) -> None:
        """Note the end of an epoch; evaluations within later epochs are then ignored."""
        self._open, self._closed = None, True

    def _warn(self, what: str) -> None:
        self._done = True
        warnings.warn(f"{what}; {MEND}", UserWarning, stacklevel=4)
