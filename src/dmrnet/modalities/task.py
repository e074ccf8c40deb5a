"""The prediction task: all that a model needs to know about a data set."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from dmrnet.modalities.names import check_names
from dmrnet.text import check_plain

Kind = Literal["vector", "sequence", "image", "volume"]
"""Layout of a modality; it selects the default encoder."""

TargetName = Literal["classes", "ordinal", "multi-label", "regression"]
"""Kind of prediction: one class, one of ordered classes, several labels, or numbers."""

TARGET_NAMES: tuple[TargetName, ...] = get_args(TargetName)

FEWEST: dict[TargetName, int] = {"classes": 2, "ordinal": 2, "multi-label": 1, "regression": 1}
"""Smallest number of classes, labels or targets."""

NOUNS: dict[TargetName, str] = {
    "classes": "class",
    "ordinal": "class",
    "multi-label": "label",
    "regression": "target",
}
"""Word for the things that `Task.classes` names."""

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
    """The modalities, in the model's order, and what is predicted.

    Attributes:
        inputs: Modalities; their order is the order of mask columns.
        classes: Names of at least two classes, in order if they are ordered; of labels in a
            multi-label task; of targets in regression.
        dense: Whether every pixel of images, or voxel of volumes, has a class.
        class_weights: Weight of each class in the loss of a dense task; None for 1 each.
        target: What is predicted; see `dmrnet.targets`.
        scale: Mean and deviation of each target of a regression, over training rows. Losses are of
            standardised targets, predictions in their unit; None leaves them as they are.
        regions: Names of regions of volumes with the numbers of their classes, which are scored
            besides the classes; they may overlap.
    """

    inputs: tuple[Modality, ...]
    classes: tuple[str, ...]
    dense: bool = False
    class_weights: tuple[float, ...] | None = None
    target: TargetName = "classes"
    scale: tuple[tuple[float, float], ...] | None = None
    regions: tuple[tuple[str, tuple[int, ...]], ...] = ()

    def __post_init__(self) -> None:
        check_names(self.modalities)
        if self.target not in TARGET_NAMES:
            raise ValueError(f"expected target as {', '.join(TARGET_NAMES)}, got {self.target!r}")
        noun = NOUNS[self.target]
        if len(self.classes) < (fewest := FEWEST[self.target]):
            wanted = "at least two classes" if fewest > 1 else f"at least one {noun}"
            raise ValueError(
                f"expected {wanted}, got {len(self.classes)} ({', '.join(self.classes) or 'none'})"
            )
        for name in self.classes:
            check_plain("class name", name)
        if len(set(self.classes)) < len(self.classes):
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            raise ValueError(f"expected distinct {noun} names, got {twice!r} twice")
        if self.dense and self.target != "classes":
            raise ValueError(f"expected classes for every pixel, got {self.target}")
        if self.scale is not None and (
            self.target != "regression"
            or len(self.scale) != len(self.classes)
            or not all(math.isfinite(mean) and 0 < std < math.inf for mean, std in self.scale)
        ):
            raise ValueError(
                "expected scale as a finite mean and a deviation above 0 for each target of a "
                f"regression, got {self.scale}"
            )
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
        if self.dense and (volumes := [m for m in self.inputs if m.kind == "volume"]):
            sizes = {m.shape[1:] for m in self.inputs}
            if len(volumes) < len(self.inputs) or len(sizes) > 1:
                got = ", ".join(f"{m.name} {m.kind} {m.shape}" for m in self.inputs)
                raise ValueError(f"expected volumes of one size with a class per voxel, got {got}")
        self._check_regions()

    def _check_regions(self) -> None:
        if self.regions and self.axes != 3:
            raise ValueError("expected regions of volumes with a class for every voxel")
        names = [name for name, _ in self.regions]
        for name, numbers in self.regions:
            check_plain("region name", name)
            if names.count(name) > 1:
                raise ValueError(f"expected distinct names of regions, got {name!r} twice")
            if not numbers or not all(0 <= n < len(self.classes) for n in numbers):
                raise ValueError(
                    f"region {name}: expected numbers of classes from 0 to "
                    f"{len(self.classes) - 1}, got {numbers}"
                )
            if name in self.classes and numbers != (self.classes.index(name),):
                raise ValueError(
                    f"region {name}: a class has this name; rename the region, or let it be that "
                    "class alone"
                )

    @property
    def element(self) -> str:
        """Word for a position with a class in a dense task: pixel or voxel."""
        return "voxel" if self.axes == 3 else "pixel"

    @property
    def axes(self) -> int:
        """Number of axes of space in a dense task: 2 of images, 3 of volumes; else 0."""
        if not self.dense:
            return 0
        return 3 if self.inputs[0].kind == "volume" else 2

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in order."""
        return tuple(modality.name for modality in self.inputs)
