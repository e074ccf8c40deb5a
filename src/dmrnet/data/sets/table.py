"""table: the user's own rows in CSV or Parquet, with columns of numbers, categories and files.

`dmrnet.data.tables` reads them; importing this module loads neither that nor torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from dmrnet.data.filling import Cells
from dmrnet.data.sets.base import InMemory, OwnFiles

if TYPE_CHECKING:
    from dmrnet.data.dataset import Splits
    from dmrnet.data.files.arrays.source import ArraySource
    from dmrnet.data.files.decoders import Decoder


@dataclass(frozen=True)
class TableRows(OwnFiles, InMemory):
    """Settings of your own rows in a table.

    A row is a sample. Text becomes categories, one feature each; names of images, sounds (WAV) and
    arrays (`.npy`), relative to the table, are decoded. Empty cells and missing files are missing;
    a sample lacks a modality of which every cell is missing.

    Attributes:
        columns: Columns of each modality, joined by +, e.g. `vitals=age+sex,camera=photo`; by
            default columns named `vitals.age` go together, and a column of files is a modality.
        folders: Folders next to the table, each a modality: a sample's file is named like the
            sample, e.g. `camera/17.png`.
        target: Column of the labels.
        samples: Column of the samples' names.
        size: Height and width of images, e.g. `64x64`; by default as in the files.
        seconds: Length of sounds: longer ones are cut, shorter ones repeated; by default as in the
            files.
        cells: What stands for missing cells, as in `arrays`.
    """

    columns: dict[str, str] | None = None
    folders: list[str] | None = None
    target: str = "y"
    samples: str = "samples"
    size: str | None = field(default=None, metadata={"path": False})
    seconds: float | None = None
    cells: Cells = "refuse"

    # How the training table was read, where a finished run says so; see `recalled`.
    _encoding: ClassVar[Mapping[str, Any] | None] = None

    @property
    def image_size(self) -> str | None:
        """Height and width of images."""
        return self.size

    def whole(self, seed: int) -> Splits:
        """Return the splits with the numbers of the files; the seed draws validation rows."""
        from dmrnet.data.files.rules import FileRules
        from dmrnet.data.files.training_files import read_splits
        from dmrnet.data.tables import fit_source

        train = fit_source(
            self.train,
            self.columns,
            self._roles(),
            self._size(),
            self._samples_in_sound(),
            self.folders or (),
        )
        known = self.recalled({"encoding": train.encoding.as_dict()})
        val, test = (None if path is None else known.open(path) for path in (self.val, self.test))
        groups = None if self.groups != "none" else self.groups
        rules = FileRules(groups=groups, absent=self.absent_values, cells=self.cells)
        splits = read_splits(train, val, test, seed, self.val_share, rules)
        sources = {"train": train, "val": val, "test": test}
        tables = {role: one for role, one in sources.items() if isinstance(one, type(train))}
        notes = [
            f"{role}: {count} of {one.rows} files of {name} are missing"
            for role, one in tables.items()
            for name, count in one.missing_files.items()
            if count
        ]
        notes += [f"{role}: {note}" for role, one in tables.items() for note in one.notes]
        return replace(
            splits,
            name="table",
            notes=(*splits.notes, *notes),
            encoding=train.encoding.as_dict(),
        )

    def open(self, path: str) -> ArraySource:
        """Return a further table, read as the training table was."""
        from pathlib import Path

        from dmrnet.data.tables import Encoding, TableSource
        from dmrnet.data.tables.columns import read_columns
        from dmrnet.data.tables.files import with_folders

        stored = self._encoding
        if stored is None:
            raise ValueError(f"{path}: the run does not say how its table was read; train it again")
        folders = [one for one in self.folders or () if (Path(path).parent / one).is_dir()]
        notes: list[str] = []
        table = with_folders(path, read_columns(Path(path), notes), folders, self.samples)
        source = TableSource(path, table, Encoding.from_dict(stored), self._roles())
        source.notes = tuple(notes)
        return source

    def decoders(self) -> Mapping[str, Decoder]:
        """Return how pictures, sounds and rows of one sample are decoded."""
        from dmrnet.data.tables import Encoding
        from dmrnet.data.tables.one_sample import decoders_of

        stored = self._encoding
        return {} if stored is None else decoders_of(Encoding.from_dict(stored))

    def recalled(self, facts: Mapping[str, Any]) -> Self:
        """Return the settings with how the training table was read."""
        known = copy(self)
        object.__setattr__(known, "_encoding", facts.get("encoding"))
        return known

    def _roles(self) -> dict[str, str]:
        groups = self.groups if self.groups and self.groups != "none" else "groups"
        return {"y": self.target, "samples": self.samples, "groups": groups}

    def _size(self) -> tuple[int, int] | None:
        if self.size is None:
            return None
        height, times, width = self.size.lower().partition("x")
        width = width if times else height
        if not height.isdecimal() or not width.isdecimal() or not int(height) * int(width):
            raise ValueError(f"size: expected height and width such as 64x64, got {self.size!r}")
        return int(height), int(width)

    def _samples_in_sound(self) -> int | None:
        from dmrnet.data.tables.files import RATE

        if self.seconds is None:
            return None
        if not self.seconds > 0:
            raise ValueError(f"seconds: expected a number above 0, got {self.seconds}")
        return round(self.seconds * RATE)
