"""Sources of samples: arrays by name, one for each modality, in a file or in Python."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from types import MappingProxyType
from typing import Self

from dmrnet.data.files.arrays.bad_rows import BadRows
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.hints import nearest

TARGET, PRESENT, SAMPLES, GROUPS = "y", "present", "samples", "groups"
RESERVED = (TARGET, PRESENT, SAMPLES, GROUPS)
"""Names of the arrays that are no modality."""


class Source(ABC):
    """Samples of Python, or of a file that is opened.

    Attributes:
        path: Path of the file, or another name of the source, for messages.
    """

    path: str

    @abstractmethod
    def with_options(self, absent: Mapping[str, float], bad_rows: BadRows) -> Self:
        """Return the same samples, read with these options.

        Args:
            absent: Further numbers that stand for absent blocks, by modality.
            bad_rows: Whether samples that cannot be used are an error, or skipped.
        """


class ArraySource(Source):
    """Arrays by name.

    Attributes:
        names: Names of its modalities, in order.
        reserved: Names of its arrays that are no modality: those among `RESERVED`, and the array
            of groups.
        groups: Name of the array that holds the group of each row.
        weights: Weight of each sample in training, float32 ``(n,)``; None for 1.
        absent: Number that stands for an absent block, by modality.
        bad_rows: Whether rows that cannot be used are an error, or skipped.
        lengths: Name of the array of lengths of a sequence by modality; under no name, that of the
            only sequence.
        features: Columns of each modality that was given as a table of pandas.
    """

    names: tuple[str, ...]
    reserved: tuple[str, ...]
    groups: str = GROUPS
    weights: Array | None = None
    absent: Mapping[str, float] = MappingProxyType({})
    bad_rows: BadRows = "refuse"
    lengths: Mapping[str, str] = MappingProxyType({})
    features: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    def with_options(self, absent: Mapping[str, float], bad_rows: BadRows) -> Self:
        """Return the same arrays, read with these options."""
        made = copy(self)
        made.absent, made.bad_rows = {**absent, **self.absent}, bad_rows
        return made

    def setting(self, name: str, modality: str, value: float) -> str:
        """Return how a setting by modality is written for this source, for advice."""
        return f"{name} {modality}={value:g} (--data.{name})"

    @abstractmethod
    def read(self, name: str) -> Array:
        """Return one array; raise `ValueError` if it cannot be read."""

    def bad(self, name: str) -> Mapping[int, str]:
        """Return why rows of an array could not be read, where bad rows are skipped.

        Args:
            name: Name of an array that was read.
        """
        del name
        return {}

    def axes(self, name: str) -> int:
        """Return the number of axes of an array."""
        return self.read(name).ndim

    @property
    def label_axes(self) -> int:
        """2 if the labels are a class for every pixel, 3 for every voxel, 0 for other labels."""
        axes = self.axes(TARGET) if TARGET in self.reserved else 0
        if axes == 3 and any(self.axes(name) >= 3 for name in self.names):
            return 2
        return 3 if axes == 4 else 0

    def check_known(self, known: Sequence[str]) -> None:
        """Raise ValueError if there is a modality that is not among the known ones."""
        for name in self.names:
            if name not in known:
                raise ValueError(
                    f"{self.path}: training had no modality {name!r}, so nothing is known of it: "
                    f"leave it out, or rename it; {nearest(name, known)}"
                )

    def check_target(self, what: str = "the labels") -> None:
        """Raise ValueError if there are no labels."""
        if TARGET not in self.reserved:
            raise ValueError(
                f"{self.path}: expected {what} as an array named {TARGET!r}; it has "
                f"{', '.join((*self.names, *self.reserved))}"
            )
