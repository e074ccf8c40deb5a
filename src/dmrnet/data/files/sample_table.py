"""Samples of a source of arrays, such as a ``.npz`` file: numbers, presence, labels, checked."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from dmrnet.data.files.archive import is_sequence, whose_lengths
from dmrnet.data.files.arrays.bad_rows import (
    SkippedRow,
    check_some,
    failing_rows,
    skipped_rows,
)
from dmrnet.data.files.arrays.disguise import absent_rows, disguise_notes
from dmrnet.data.files.arrays.ends import LENGTHS, Ends, find_ends
from dmrnet.data.files.arrays.labels import checked_labels, text
from dmrnet.data.files.arrays.layout import parse_kind
from dmrnet.data.files.arrays.numbers import Array, Bools, Numbers, checked_numbers
from dmrnet.data.files.arrays.objects import odd_rows, plain_labels, rows_of_modality
from dmrnet.data.files.arrays.source import GROUPS, PRESENT, SAMPLES, TARGET, ArraySource
from dmrnet.data.files.rules import USUAL_RULES, FileRules


@dataclass
class SampleTable:
    """Content of a file for some modalities.

    Attributes:
        path: Path of the file.
        rows: Number of samples.
        arrays: float32, or float64 where that is too coarse, ``(rows, ...)`` in the shape of the
            file, for each modality that the file has. Rows of absent samples have no meaning.
        present: Bool ``(rows, V)``, True where the sample has the modality.
        target: Labels as in the file, ``(rows, ...)``; None if there are none.
        samples: Names of the samples, if the file has any; row numbers if rows are left out.
        left_out: Number of rows left out because they have only modalities that are not read.
        groups: Group of each row, if the file has any.
        skipped: Rows left out because they are bad; none unless they are skipped.
        file_rows: Row number of each sample in the file, if rows are left out.
        ends: Ends of the sequences of a modality, if they differ in length; numbers after the end
            are those of the first step.
    """

    path: str
    rows: int
    arrays: dict[str, Numbers]
    present: Bools
    target: Array | None
    samples: tuple[str, ...] | None
    left_out: int = 0
    groups: tuple[str, ...] | None = None
    skipped: tuple[SkippedRow, ...] = ()
    file_rows: Array | None = None
    ends: Mapping[str, Ends] = field(default_factory=dict)

    def doubts(
        self,
        archive: ArraySource,
        names: Sequence[str],
        usual: Mapping[str, float] | None = None,
    ) -> list[str]:
        """Return sentences on blocks that are probably absent; see `disguise_notes`.

        Args:
            archive: The file.
            names: Names of the columns of `present`.
            usual: See `disguise_notes`.
        """
        present = dict(zip(names, self.present.T, strict=True))
        return disguise_notes(self.arrays, present, usual, archive.setting)

    def without(self, empty: Array, bad: Mapping[int, str]) -> SampleTable:
        """Return the table without rows that have nothing to read, and without bad rows.

        Args:
            empty: Numbers of rows that have only modalities that are not read.
            bad: What is wrong with bad rows, by number.
        """
        if not len(empty) and not bad:
            return self
        kept = np.delete(np.arange(self.rows), [*empty, *bad])
        return SampleTable(
            self.path,
            len(kept),
            {name: array[kept] for name, array in self.arrays.items()},
            self.present[kept],
            None if self.target is None else self.target[kept],
            tuple(self.samples[row] if self.samples else str(row) for row in kept),
            len(empty),
            None if self.groups is None else tuple(self.groups[row] for row in kept),
            skipped_rows(bad, self.samples),
            kept,
            {name: replace(end, lengths=end.lengths[kept]) for name, end in self.ends.items()},
        )


def read_table(
    archive: ArraySource,
    modalities: Sequence[str],
    columns: Sequence[str],
    rules: FileRules = USUAL_RULES,
    *,
    fine: Container[str] | None = None,
    cells: bool = False,
    labelled: bool = True,
    sequences: bool = True,
) -> SampleTable:
    """Read some modalities and check every row; modalities that the file lacks are absent.

    Args:
        archive: The file.
        modalities: Names in the model's order.
        columns: Every array of the training file in its order.
        rules: Settings of the files; the archive may name further numbers for absent blocks.
        fine: Modalities that stay in float64; None keeps it where float32 is too coarse.
        cells: Whether rows may hold NaN, for cells that are missing.
        labelled: Whether to read the labels.
        sequences: Whether there may be sequences, which may differ in length.
    """
    path = archive.path
    available = [name for name in modalities if name in archive.names]
    if not available:
        raise ValueError(
            f"{path}: expected at least one of {', '.join(modalities)}; it has "
            f"{', '.join(archive.names)}"
        )
    target = _list(archive, TARGET) if labelled else None
    samples = _list(archive, SAMPLES)
    groups = _list(archive, archive.groups)
    reader = _Reader(archive, modalities, columns, rules, fine, cells, sequences)
    if target is not None:
        reader.count_rows(TARGET, target)
    for name in available:
        reader.read(name)
    reader.check_lengths()
    reader.check_stated()
    empty = reader.check_empty()
    if samples is not None:
        _check_names(path, SAMPLES, samples, reader.rows, "iuUS")
    if groups is not None:
        _check_names(path, archive.groups, groups, reader.rows, "biuUS")
    if target is not None:
        target = checked_labels(path, target, reader.rows)
    return SampleTable(
        path,
        reader.rows,
        reader.arrays,
        reader.present,
        target,
        None if samples is None else tuple(map(text, samples)),
        groups=None if groups is None else tuple(map(text, groups)),
        ends=reader.ends,
    ).without(empty, reader.bad)


@dataclass
class _Reader:
    """Reads the modalities of a file one by one; the first attributes are those of `read_table`.

    Attributes:
        rows: Number of rows of every array.
        arrays: Numbers of the modalities that were read.
        present: Bool ``(rows, V)``.
        ends: Ends of their sequences, if they differ in length.
        bad: What is wrong with rows that are skipped, by number.
    """

    archive: ArraySource
    modalities: Sequence[str]
    columns: Sequence[str]
    rules: FileRules
    fine: Container[str] | None
    cells: bool
    sequences: bool
    rows: int = 0
    arrays: dict[str, Numbers] = field(default_factory=dict)
    present: Bools = field(default_factory=lambda: np.zeros((0, 0), dtype=np.bool_))
    ends: dict[str, Ends] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.path, self.skips = self.archive.path, self.archive.bad_rows == "skip"
        self.absent = {**self.rules.absent, **self.archive.absent}
        self.bad: dict[int, str] = dict(self.archive.bad(TARGET))
        self._first = ""
        self._stated: Mapping[str, Bools] = {}
        # Sequences that the array of lengths without a name belongs to.
        self._unnamed: list[str] = []

    def read(self, name: str) -> None:
        """Read a modality, and which rows have it."""
        array, kind = self._stacked(name)
        self.count_rows(name, array)
        if not len(self.present):
            self.present = np.zeros((self.rows, len(self.modalities)), dtype=np.bool_)
            self._stated = _stated_presence(self.archive, self.rows, self.columns)
        numeric = array.dtype.kind in "biuf"
        stated, gone = self._stated.get(name), np.zeros(0, dtype=np.bool_)
        if name in self.absent and numeric:
            gone = absent_rows(array, self.absent[name])
            stated = None if stated is None else stated & ~gone
            if array.dtype.kind == "f":
                array[gone] = np.nan
        if self.sequences and numeric:
            array = self._cut(name, array, kind)
        where = f"{self.path}: modality {name}"
        fine = None if self.fine is None else name in self.fine
        if self.skips:
            check_some(self.path, self.bad, self.rows)
            check = partial(_check_rows, where, array, stated, fine, self.cells)
            failing = failing_rows(check, np.arange(self.rows))
            if len(failing) < self.rows:
                array[list(failing)] = 0
                self._add_bad(name, failing)
        column = self.modalities.index(name)
        numbers, present = checked_numbers(where, array, stated, fine, self.cells)
        self.arrays[name], self.present[:, column] = numbers, present
        self.present[: len(gone), column] &= ~gone

    def count_rows(self, name: str, array: Array) -> None:
        """Check that an array has as many rows as the first one."""
        if not array.ndim or not len(array):
            got = f"shape {array.shape}" if array.ndim else "a single value"
            raise ValueError(f"{self.path}: expected {name} to have at least one row, got {got}")
        if not self._first:
            self.rows, self._first = len(array), name
        if len(array) != self.rows:
            raise ValueError(
                f"{self.path}: {name} has {len(array)} rows but {self._first} has {self.rows}; "
                "row i of every array must be sample i"
            )

    def check_lengths(self) -> None:
        """Check that an array of lengths without a name belongs to one sequence."""
        if not self.sequences or "" not in self.archive.lengths:
            return
        every = set(self.archive.names) <= set(self.modalities)
        if len(self._unnamed) > 1 or (every and not self._unnamed):
            raise ValueError(whose_lengths(self.path, len(self._unnamed)))

    def check_stated(self) -> None:
        """Check that the file has the arrays that `present` marks."""
        for name, column in self._stated.items():
            if name in self.modalities and name not in self.archive.names and column.any():
                raise ValueError(
                    f"{self.path}: present says that row {int(column.argmax())} has {name}, but "
                    "the file has no such array"
                )

    def check_empty(self) -> Array:
        """Return rows to leave out: they have only modalities that are not read.

        Rows without any modality are an error, or bad rows if these are skipped.
        """
        names = ", ".join(self.modalities)
        empty = np.flatnonzero(~self.present.any(1))
        if self.skips:
            self.bad = {row: f"it has none of {names}" for row in empty.tolist()} | self.bad
            check_some(self.path, self.bad, self.rows)
            return empty[:0]
        if len(empty) and (len(self.modalities) >= len(self.columns) or len(empty) == self.rows):
            raise ValueError(
                f"{self.path}: row {empty[0]} has none of {names} ({len(empty)} such rows); "
                "leave such rows out"
            )
        return empty

    def _add_bad(self, name: str, reasons: Mapping[int, str]) -> None:
        """Note bad rows of a modality; the first reason counts."""
        self.bad |= {row: f"{name}: {why}" for row, why in reasons.items() if row not in self.bad}

    def _stacked(self, name: str) -> tuple[Array, str | None]:
        """Return an array of the file, and its kind if rows of different length show it.

        Rows that are objects are stacked, with NaN where one is None or has ended.
        """
        kind = self.rules.kinds.get(name) if self.sequences else None
        array = self.archive.read(name)
        self._add_bad(name, self.archive.bad(name))
        if array.dtype != object or not array.ndim:
            return array, None
        if self.skips:
            odd = odd_rows(name, array, kind)
            array[list(odd)] = None
            self._add_bad(name, odd)
        kinds = {} if kind is None else {name: kind}
        try:
            return rows_of_modality(name, array, kinds), kinds.get(name)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.path}: {error}") from error

    def _cut(self, name: str, array: Array, kind: str | None) -> Array:
        """Return an array cut to its longest sequence; note where its sequences end."""
        layout = self.rules.layouts.get(name) or (parse_kind(kind) if kind else None)
        key = self.archive.lengths.get(name)
        if key is None and "" in self.archive.lengths and is_sequence(name, array, layout):
            key = LENGTHS
            self._unnamed.append(name)
        lengths = None if key is None else self.archive.read(key)
        try:
            array, ends = find_ends(name, array, layout, lengths, self.rules.padding.get(name))
        except ValueError as error:
            raise ValueError(f"{self.path}: modality {name}: {error}") from error
        if ends is not None:
            self.ends[name] = ends
        return array


def _check_rows(
    where: str, array: Array, stated: Bools | None, fine: bool | None, cells: bool, rows: Array
) -> None:
    """Check some rows; the message is only what is wrong with the first bad one."""
    try:
        checked_numbers(where, array[rows], None if stated is None else stated[rows], fine, cells)
    except ValueError as error:
        raise ValueError(str(error).partition(", row 0: ")[2] or str(error)) from error


def _list(archive: ArraySource, name: str) -> Array | None:
    """Return labels or names of samples as numbers or text; None if the file has none."""
    if name not in archive.reserved:
        return None
    try:
        return plain_labels(name, archive.read(name))
    except ValueError as error:
        raise ValueError(f"{archive.path}: {error}") from error


def _check_names(path: str, name: str, array: Array, rows: int, kinds: str) -> None:
    """Check names of samples or groups: one integer or text per row."""
    if array.shape != (rows,):
        mend = ""
        if name == GROUPS:
            mend = "; it holds what rows belong to: rename the array if it is a modality"
        raise ValueError(f"{path}: expected {name} of shape ({rows},), got {array.shape}{mend}")
    if array.dtype.kind not in kinds:
        raise ValueError(f"{path}: expected {name} as integers or text, got {array.dtype}")


def _stated_presence(
    archive: ArraySource, rows: int, columns: Sequence[str]
) -> Mapping[str, Bools]:
    """Return the columns of `present` by name; empty if the file has no such array.

    They are the arrays of the training file, or those of this file; both must be in one order.
    """
    if PRESENT not in archive.reserved:
        return {}
    path, present = archive.path, archive.read(PRESENT)
    if present.dtype != np.bool_:
        raise ValueError(f"{path}: expected {PRESENT} as bool, got {present.dtype}: .astype(bool)")
    known = [name for name in archive.names if name in columns]
    if known != [name for name in columns if name in archive.names]:
        raise ValueError(
            f"{path}: expected its arrays in the order of training, {', '.join(columns)}, got "
            f"{', '.join(known)}; the columns of {PRESENT} could mean either: save them in the "
            "same order"
        )
    for names in (archive.names, tuple(columns)):
        if present.shape == (rows, len(names)):
            return dict(zip(names, present.T, strict=True))
    raise ValueError(
        f"{path}: expected {PRESENT} of shape ({rows}, {len(archive.names)}), a column for each of "
        f"{', '.join(archive.names)}; got {present.shape}"
    )
