"""A table as a source of arrays, one for each modality."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.arrays.source import GROUPS, SAMPLES, TARGET, ArraySource
from dmrnet.data.tables.columns import CellsByColumn, item_column, list_column, number, read_columns
from dmrnet.data.tables.encoding import Encoding, ModalityEncoding, category_notes, fit_modalities
from dmrnet.data.tables.files import decode, find_files, with_folders
from dmrnet.hints import nearest
from dmrnet.modalities import check_names


class TableSource(ArraySource):
    """Samples in the rows of a table.

    A cell that holds nothing, or names a file that does not exist, is missing; a sample lacks a
    modality of which every cell is missing.

    Args:
        path: CSV or Parquet file.
        table: Its columns.
        encoding: How they are read.
        roles: Columns of ``y``, ``samples`` and ``groups``, without those that the file lacks.

    Attributes:
        missing_files: Number of missing files by modality, after `read`.
        notes: Sentences about how cells were read.
    """

    notes: tuple[str, ...] = ()

    def __init__(
        self, path: str, table: CellsByColumn, encoding: Encoding, roles: Mapping[str, str]
    ) -> None:
        self.path = path
        self.table = table
        self.encoding = encoding
        # A later table may lack a modality, wholly.
        self.names = tuple(
            name for name, of in encoding.modalities.items() if set(of.columns) <= set(table)
        )
        for name, of in encoding.modalities.items():
            used = [column for column in of.columns if column in table]
            if used and name not in self.names:
                lost = next(column for column in of.columns if column not in table)
                raise ValueError(
                    f"{path}: modality {name} has the column {used[0]!r} but not {lost!r}; "
                    f"{nearest(lost, list(table))}"
                )
            longer = list_column(of.columns[-1]) if of.whole_list else None
            if longer is not None and item_column(longer, len(of.columns)) in table:
                raise ValueError(
                    f"{path}: column {longer!r}: expected lists of {len(of.columns)} numbers, as "
                    "in training, got longer ones"
                )
        self.roles = {role: column for role, column in roles.items() if column in table}
        self.reserved = tuple(self.roles)
        self.missing_files: dict[str, int] = {}
        self.rows = len(next(iter(table.values())))
        self._bad: dict[str, dict[int, str]] = {}

    def bad(self, name: str) -> Mapping[int, str]:
        """Return why rows of an array could not be read."""
        return self._bad.get(name, {})

    def _refuse(self, name: str, row: int, why: str) -> None:
        """Raise `ValueError` for a row, or note it where bad rows are skipped."""
        if self.bad_rows == "refuse":
            raise ValueError(f"{self.path}: row {row}, {why}")
        self._bad.setdefault(name, {}).setdefault(row, why)

    def read(self, name: str) -> Array:
        """Return one array; raise `ValueError` if it cannot be read."""
        if name in self.roles:
            return self._texts(name)
        modality = self.encoding.modalities[name]
        if modality.kind == "vector":
            return self._vectors(name, modality)
        return self._decoded(name, modality)

    def _texts(self, role: str) -> Array:
        column = self.roles[role]
        values = self.table[column]
        if role == TARGET:
            known = next((value for value in values if value is not None), None)
            for row, value in enumerate(values):
                if value is None:
                    self._refuse(role, row, f"column {column!r}: there is no label")
            values = [known if value is None else value for value in values]
            if all(value is not None and _WHOLE.fullmatch(value) for value in values):
                return np.array([int(value or 0) for value in values])
            coded = any(_CODE.fullmatch(value or "") for value in values)
            if not coded and all(number(value or "") is not None for value in values):
                return np.array([float(value or 0) for value in values])
        return np.array(["" if value is None else value for value in values])

    def _vectors(self, name: str, modality: ModalityEncoding) -> Array:
        features = []
        for column in modality.columns:
            values, categories = list(self.table[column]), modality.categories.get(column)
            for row, value in enumerate(values):
                if value is None:
                    continue
                if categories is None and number(value) is None:
                    reason = f"expected a number, got {value!r}"
                elif categories is not None and value not in categories:
                    reason = (
                        f"training never had {value!r}; {nearest(value, categories)}; leave the "
                        "cell empty if it is not known"
                    )
                else:
                    continue
                self._refuse(name, row, f"column {column!r}: {reason}")
                values[row] = None
            if categories is None:
                features.append([np.nan if value is None else float(value) for value in values])
            else:
                features += [
                    [np.nan if value is None else float(value == one) for value in values]
                    for one in categories
                ]
        return np.array(features, dtype=np.float64).T

    def _decoded(self, name: str, modality: ModalityEncoding) -> Array:
        (column,) = modality.columns
        files, missing = find_files(self.path, column, self.table[column])
        self.missing_files[name] = len(missing)
        encoding = self.encoding
        known: dict[int, Array] = {}
        for row, file in enumerate(files):
            if file is None:
                continue
            try:
                size, samples = encoding.size, encoding.samples_in_sound
                known[row] = decode(modality.kind, file, size, samples)
            except ValueError as error:
                if self.bad_rows == "refuse":
                    raise
                self._refuse(name, row, f"column {column!r}: {error}")
        if not known and (bad := self.bad(name)):
            raise ValueError(f"{self.path}: every row is bad; row {min(bad)}: {bad[min(bad)]}")
        if not known:
            raise ValueError(
                f"{self.path}: none of the files in column {column!r} exists under "
                f"{Path(self.path).resolve().parent}; file names are relative to the table"
            )
        first, shape = next(iter(known)), next(iter(known.values())).shape
        if self.bad_rows == "skip":
            shape = Counter(array.shape for array in known.values()).most_common(1)[0][0]
        deep = sum(bool(array.max() > BYTE) for array in known.values())
        if modality.kind == "image" and 0 < deep < len(known):
            reason = (
                f"{column}: {deep} of {len(known)} images hold numbers above {BYTE}, as those of "
                "16 bits do, and the others none; are they in one unit?"
            )
            self.notes = (*(note for note in self.notes if note != reason), reason)
        stacked = np.full((self.rows, *shape), np.nan, dtype=np.float32)
        for row, array in known.items():
            if array.shape == shape:
                stacked[row] = array
                continue
            if self.bad_rows == "refuse":
                raise ValueError(
                    f"{self.path}: modality {name}: row {first} has shape {shape} and row {row} "
                    f"{array.shape}; {_ADVICE[modality.kind]}"
                )
            self._refuse(name, row, f"its shape is {array.shape}, that of most rows {shape}")
        return stacked


_WHOLE = re.compile(r"0|-?[1-9]\d{0,17}", re.ASCII)
"""A whole number as it is printed: labels such as 01 are text, which stays as it is written."""

_CODE = re.compile(r"-?(0\d+|\d{19,})", re.ASCII)

BYTE = 255
"""Largest number of a picture of 8 bits."""

_ADVICE = {
    "image": "give all one size (--data.size HEIGHTxWIDTH), and one number of channels",
    "sound": "give all one length in seconds (--data.seconds)",
    "array": "save arrays of one shape",
}


def fit_source(
    path: str,
    columns: Mapping[str, str] | None,
    roles: Mapping[str, str],
    size: tuple[int, int] | None,
    samples_in_sound: int | None,
    folders: Sequence[str] = (),
) -> TableSource:
    """Return a training table with the encoding that follows from it.

    Args:
        path: CSV or Parquet file.
        columns: Columns of each modality, joined by ``+``; see `fit_modalities`.
        roles: Columns of ``y``, ``samples`` and ``groups``.
        size: Height and width of images.
        samples_in_sound: Number of samples of a sound.
        folders: Folders of files named like the samples; see `with_folders`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no table, or a column is missing.
    """
    notes: list[str] = []
    columns_read = read_columns(Path(path), notes)
    table = with_folders(path, columns_read, folders, roles.get(SAMPLES, SAMPLES))
    for role, column in roles.items():
        if column not in table and (role == TARGET or column not in (SAMPLES, GROUPS)):
            raise ValueError(
                f"{path}: expected {_ROLES[role]} in a column {column!r}; "
                f"{nearest(column, list(table))}"
            )
    modalities = fit_modalities(path, table, columns, [*roles.values()])
    check_names(list(modalities))
    source = TableSource(path, table, Encoding(modalities, size, samples_in_sound), roles)
    source.notes = (*notes, *category_notes(modalities))
    return source


_ROLES = {TARGET: "the label", SAMPLES: "the name of the sample", GROUPS: "the group"}
