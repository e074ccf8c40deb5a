"""The prediction task: all that a model needs to know about a data set."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from dmrnet.modalities.names import check_names
from dmrnet.text import check_plain

Kind = Literal["vector", "sequence", "image", "volume"]
"""Layout of a modality; it selects the default encoder."""

RANKS: dict[Kind, int] = {"vector": 1, "sequence": 2, "image": 3, "volume": 4}


@dataclass(frozen=True)
class Modality:
    """One named input of a sample.

    Attributes:
        name: Name without ``+``.
        kind: ``vector`` (d,), ``sequence`` (C, T), ``image`` (C, H, W) or ``volume``
            (C, T, H, W).
        shape: Shape of one sample, channels first.
        ragged: Whether samples of a sequence differ in their number of steps, T at most in
            training. What methods read has one more channel, the last: 1 at the steps of a sample;
            after them all channels are 0.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    ragged: bool = False

    def __post_init__(self) -> None:
        if self.kind not in RANKS:
            raise ValueError(
                f"modality {self.name}: expected kind as {', '.join(RANKS)}, got {self.kind!r}"
            )
        if len(self.shape) != RANKS[self.kind] or min(self.shape) < 1:
            raise ValueError(
                f"modality {self.name}: expected {RANKS[self.kind]} sizes of at least 1 for a "
                f"{self.kind}, got {self.shape}"
            )
        if self.ragged and self.kind != "sequence":
            raise ValueError(
                f"modality {self.name}: expected a sequence, got a {self.kind} of ragged samples"
            )


@dataclass(frozen=True)
class Task:
    """The modalities, in the model's order, and the classes.

    Attributes:
        inputs: Modalities; their order is the order of mask columns.
        classes: Names of at least two classes.
        dense: Whether every pixel has a class.
        class_weights: Weight of each class in the loss of a dense task; None for 1 each.
    """

    inputs: tuple[Modality, ...]
    classes: tuple[str, ...]
    dense: bool = False
    class_weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check_names(self.modalities)
        if len(self.classes) < 2:
            raise ValueError(
                f"expected at least two classes, got {len(self.classes)} "
                f"({', '.join(self.classes) or 'none'})"
            )
        for name in self.classes:
            check_plain("class name", name)
        if len(set(self.classes)) < len(self.classes):
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            raise ValueError(f"expected distinct class names, got {twice!r} twice")
        weights = self.class_weights
        if weights is not None and (
            not self.dense
            or len(weights) != len(self.classes)
            or not all(0 <= weight < math.inf for weight in weights)
            or not any(weights)
        ):
            raise ValueError(
                f"expected class weights of a dense task: one of 0 or more for each of "
                f"{len(self.classes)} classes, not all 0; got {weights}"
            )

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in order."""
        return tuple(modality.name for modality in self.inputs)
