"""What is to be learnt from which modalities: all that a model needs to know of a data set."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from dmrnet.modalities.names import check_names

Kind = Literal["vector", "sequence", "image", "volume"]
"""How a modality is laid out; it picks the default encoder."""

RANKS: dict[Kind, int] = {"vector": 1, "sequence": 2, "image": 3, "volume": 4}


@dataclass(frozen=True)
class Modality:
    """One input of a sample.

    Attributes:
        name: Its name; no ``+``.
        kind: ``vector`` (d,), ``sequence`` (C, T), ``image`` (C, H, W) or ``volume``
            (C, T, H, W).
        shape: The shape of one sample, channels first.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.kind not in RANKS:
            raise ValueError(f"modality {self.name}: unknown kind {self.kind!r}")
        if len(self.shape) != RANKS[self.kind] or min(self.shape) < 1:
            raise ValueError(
                f"modality {self.name}: a {self.kind} needs {RANKS[self.kind]} sizes of at least "
                f"1, got {self.shape}"
            )


@dataclass(frozen=True)
class Task:
    """The modalities in the model's order, and the classes.

    Attributes:
        inputs: The modalities; their order is the order of mask columns.
        classes: Names of the classes, at least two.
        dense: True where every pixel has a label.
        class_weights: Of each class in the loss of a dense task; all 1 if None.
    """

    inputs: tuple[Modality, ...]
    classes: tuple[str, ...]
    dense: bool = False
    class_weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check_names(modality.name for modality in self.inputs)
        if len(self.classes) < 2:
            raise ValueError(
                f"expected at least two classes, got {len(self.classes)} "
                f"({', '.join(self.classes) or 'none'}); nothing can be learnt from one"
            )

        if len(set(self.classes)) < len(self.classes):
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            raise ValueError(f"names of classes must differ, but {twice!r} stands twice")
        weights = self.class_weights
        if weights is not None and (
            not self.dense
            or len(weights) != len(self.classes)
            or not all(0 <= weight < math.inf for weight in weights)
            or not any(weights)
        ):
            raise ValueError(
                f"expected, of a dense task, a weight of 0 or more for each of "
                f"{len(self.classes)} classes, not all 0, got {weights}"
            )

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(modality.name for modality in self.inputs)
