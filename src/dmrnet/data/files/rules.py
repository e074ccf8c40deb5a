"""Settings of the user's own files that decide how their arrays are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from dmrnet.data.files.arrays.labels import Choice
from dmrnet.data.files.arrays.layout import Layout, parse_kind
from dmrnet.data.files.arrays.resize import Sizes, parse_size
from dmrnet.data.filling import Cells


@dataclass(frozen=True)
class FileRules:
    """Settings of the user's own files that decide how their arrays are read.

    The files of a run share the first five; the others are about the training file, from which
    what they decide is learnt.

    Attributes:
        kinds: Layouts by array, as in the settings of `arrays`.
        groups: Name of the array that holds the group of each row, as in the settings of `arrays`.
        absent: Number that stands for an absent block, by modality.
        size: Size to which images are resized, as in the settings of `arrays`.
        padding: Number that padded steps of a sequence hold, by modality.
        modalities: Arrays to use, in this order; None uses every array of the training file.
        cells: Replacement of missing cells.
        target: Kind of ``y``; see `learn_target`.
        labels: Names of the columns of ``y``, or ordered classes.
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    groups: str | None = None
    absent: Mapping[str, float] = field(default_factory=dict)
    size: str | None = None
    padding: Mapping[str, float] = field(default_factory=dict)
    modalities: Sequence[str] | None = None
    cells: Cells = "refuse"
    target: Choice = "auto"
    labels: Sequence[str] | None = None

    @property
    def fills_cells(self) -> bool:
        """Whether training rows may hold NaN, for cells that are missing."""
        return self.cells != "refuse"

    @cached_property
    def layouts(self) -> dict[str, Layout]:
        """Layout of each array of `kinds`; raises `ValueError` if there is no such kind."""
        return {name: parse_kind(kind) for name, kind in self.kinds.items()}

    @cached_property
    def sizes(self) -> Sizes:
        """Height and width of `size`, by modality; raises `ValueError` if it is no size."""
        return parse_size(self.size)


USUAL_RULES = FileRules()
"""Rules where settings say nothing."""
