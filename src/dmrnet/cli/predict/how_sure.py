"""Columns of ``dmrnet predict`` on confidence: sets of classes, abstention, advice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from dmrnet.cli.screen import counted
from dmrnet.data.files.arrays.numbers import Array


@dataclass
class HowSure:
    """Columns, arrays and notes that are written next to predictions.

    Attributes:
        abstains: Whether each sample gets no class; empty if none is asked to abstain.
        columns: Columns of a CSV file by name.
        arrays: Arrays of an ``.npz`` file by name.
        notes: Sentences for the terminal.
    """

    abstains: Sequence[bool] = ()
    columns: dict[str, Sequence[str]] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def abstain(self, probabilities: Tensor, decided: Tensor, below: float) -> None:
        """Give samples no class whose class has a lower probability.

        Args:
            probabilities: float ``(n, M)``.
            decided: int64 ``(n,)``, their classes.
            below: The probability.
        """
        left = probabilities.gather(1, decided[:, None])[:, 0] < below
        self.abstains = left.tolist()
        self.arrays["abstains"] = left.numpy()
        self.notes.append(
            f"{int(left.sum())} of {counted(len(left), 'sample')} without a class: less sure than "
            f"{below:g}"
        )

    def add_sets(self, sets: Tensor, classes: Sequence[str], level: float) -> None:
        """Write sets of classes, bool ``(n, M)``, that hold the true one at a level."""
        named = np.array(classes)
        self.columns["set"] = ["|".join(named[row].tolist()) for row in sets.numpy()]
        self.arrays["set"] = sets.numpy()
        size = sets.sum(1).double().mean().item()
        self.notes.append(f"sets hold {size:.2f} classes on average, the true one at {level:.0%}")

    def add_advice(self, advice: tuple[Tensor, Tensor, Tensor], modalities: Sequence[str]) -> None:
        """Write what `Confidence.advise` returned; empty without enough validation samples."""
        which, gain, error = advice
        self.columns["next"] = ["" if row < 0 else modalities[row] for row in which.tolist()]
        for name, values in (("gain", gain), ("gain_error", error)):
            texts = ["" if value != value else f"{value:.4f}" for value in values.tolist()]
            self.columns[name] = texts
            self.arrays[name] = values.numpy()
        self.arrays["next"] = which.numpy()
