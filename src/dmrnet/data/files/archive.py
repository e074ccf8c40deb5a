"""Reading an ``.npz`` file with one array per modality: its samples, their labels and presence."""

from __future__ import annotations

import zipfile
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from dmrnet.data.files.arrays.bad_rows import (
    SkippedRow,
    check_some,
    failing_rows,
    skipped_rows,
)
from dmrnet.data.files.arrays.disguise import absent_rows, disguise_notes
from dmrnet.data.files.arrays.ends import LENGTHS, Ends, SequenceRules, find_ends
from dmrnet.data.files.arrays.labels import checked_labels, text
from dmrnet.data.files.arrays.layout import Layout, guess_layout, parse_kind
from dmrnet.data.files.arrays.numbers import Array, Bools, Numbers, checked_numbers
from dmrnet.data.files.arrays.objects import odd_rows, plain_labels, rows_of_modality
from dmrnet.data.files.arrays.pickles import read_npy
from dmrnet.data.files.arrays.resize import Sizes, sized
from dmrnet.data.files.arrays.source import GROUPS, PRESENT, RESERVED, SAMPLES, TARGET, ArraySource
from dmrnet.data.splits.groups import NO_GROUPS
from dmrnet.hints import nearest
from dmrnet.modalities import check_names
from dmrnet.untrusted import check_inflation, check_regular


class Archive(ArraySource):
    """An ``.npz`` file: `names` of its modalities, in its order, and of its `reserved` arrays.

    Args:
        path: Path of the file.
        groups: Name of the array that holds the group of each row; the file may lack it.

    Raises:
        FileNotFoundError: If there is no such file; the message has the nearest name in its folder.
        ValueError: If it is no ``.npz``, or two of its arrays have one name.
    """

    def __init__(self, path: str, groups: str = GROUPS) -> None:
        self.path, self.groups = path, groups
        self.sizes: Sizes = {}
        file = Path(path)
        if not file.exists():
            near = f"nor a folder {file.parent}"
            if file.parent.is_dir():
                names = sorted(other.name for other in file.parent.glob("*.npz"))
                near = nearest(file.name, names) if names else f"{file.parent} holds no .npz file"
            raise FileNotFoundError(f"there is no file {path}; {near}")
        if file.is_dir():
            raise ValueError(f"{path}: expected an .npz file, got a folder")
        check_regular(file)
        try:
            with zipfile.ZipFile(file) as archive:
                files = archive.namelist()
                check_inflation(archive, file.stat().st_size)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise ValueError(
                f"{path}: expected an .npz file as numpy.savez writes it ({error})"
            ) from error
        members = [name.removesuffix(".npy") for name in files]
        self.members = dict(zip(members, files, strict=True))
        for name in members:
            if (count := members.count(name)) > 1:
                raise ValueError(f"{path}: expected one array {name!r}, got {count}; save it once")
        reserved = {*RESERVED, groups}
        self.lengths = self._lengths_of(members)
        others = {*reserved, *self.lengths.values()}
        self.names = tuple(name for name in members if name not in others)
        self.reserved = tuple(name for name in members if name in reserved)
        try:
            check_names(self.names)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def _lengths_of(self, members: Sequence[str]) -> dict[str, str]:
        """Return the arrays that hold the lengths of a modality's sequences, by modality.

        An array of the name alone, of whole numbers, holds those of the only sequence.
        """
        ending = f"__{LENGTHS}"
        found = {name: f"{name}{ending}" for name in members if f"{name}{ending}" in members}
        if LENGTHS in members and not found:
            array = self.read(LENGTHS)
            if array.ndim == 1 and array.dtype.kind in "iu":
                found[""] = LENGTHS
        return found

    def read_lengths(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Return the lengths of the sequences among arrays, by modality, where the file has them.

        Raises:
            ValueError: If it is unclear which array they belong to.
        """
        named = {name: self.read(key) for name, key in self.lengths.items() if name}
        if "" in self.lengths:
            sequences = [one for one, array in arrays.items() if _is_sequence(one, array, None)]
            if len(sequences) != 1:
                raise ValueError(_whose(self.path, len(sequences)))
            named[sequences[0]] = self.read(LENGTHS)
        return named

    def read(self, name: str) -> Array:
        """Return one array; raise ValueError if it is damaged, or holds more than data.

        Objects are read as `read_npy` does: numbers, text, None and arrays of them.
        """
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.members[name]) as stream:
                array = read_npy(cast("BinaryIO", stream))
        # Numpy, zlib and zipfile raise a dozen kinds of error on a damaged or hostile file.
        except Exception as error:
            raise ValueError(
                f"{self.path}: the array {name!r} cannot be read ({error}); expected numbers, "
                "text, or an object array of arrays and None, no other Python objects: save "
                "numbers, for example numpy.savez(file, name=numpy.stack(rows))"
            ) from error
        if not self.sizes or name not in self.names or not array.ndim:
            return array
        try:
            return np.asarray(sized(name, array, self.sizes))
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from error


def open_source(
    source: str | ArraySource, groups: str | None = None, sizes: Sizes | None = None
) -> ArraySource:
    """Return a source of arrays; text is the path of an ``.npz`` file.

    Args:
        source: Path or source.
        groups: Name of the array of a file that holds the group of each row.
        sizes: Height and width of the images of a file, to which they are resized, by modality.
    """
    named = GROUPS if groups in (None, NO_GROUPS) else groups
    opened = Archive(source, named) if isinstance(source, str) else source
    if isinstance(opened, Archive) and sizes:
        opened.sizes = sizes
    return opened


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
        samples: Names of the samples, if the file has any; row numbers where rows are left out.
        left_out: Number of rows left out because they have only modalities that are not read.
        groups: Group of each row, if the file has any.
        skipped: Rows left out because they are bad; none unless they are skipped.
        file_rows: Row number of each sample in the file, where rows are left out.
        ends: Where the sequences of a modality end, if they differ in length; what comes after is
            the first step of each.
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


def read_table(
    archive: ArraySource,
    modalities: Sequence[str],
    columns: Sequence[str],
    fine: Container[str] | None = None,
    absent: Mapping[str, float] | None = None,
    labelled: bool = True,
    cells: bool = False,
    sequences: SequenceRules | None = None,
) -> SampleTable:
    """Read some modalities, those that the file lacks as absent, and check every row.

    Args:
        archive: The file.
        modalities: Names in the model's order.
        columns: Every array of the training file in its order.
        fine: Modalities that stay in float64; None keeps it where float32 is too coarse.
        absent: Number that stands for an absent block, by modality, besides those of the archive.
        labelled: Whether to read the labels.
        cells: Whether rows may hold NaN, for cells that are missing.
        sequences: What settings say about sequences, which may differ in length; None where there
            are none.
    """
    path, absent = archive.path, {**(absent or {}), **archive.absent}
    skip, bad = archive.bad_rows == "skip", dict[int, str]()
    available = [name for name in modalities if name in archive.names]
    if not available:
        raise ValueError(
            f"{path}: expected at least one of {', '.join(modalities)}; it has "
            f"{', '.join(archive.names)}"
        )
    target = _list(archive, TARGET) if labelled else None
    bad |= archive.bad(TARGET)
    samples = _list(archive, SAMPLES)
    groups = _list(archive, archive.groups)
    arrays: dict[str, Numbers] = {}
    rows, first = (0, "") if target is None else (_rows(path, TARGET, target), TARGET)
    stated: Mapping[str, Bools] = {}
    present = np.zeros((0, 0), dtype=np.bool_)
    ends: dict[str, Ends] = {}
    unnamed: list[str] = []
    for name in available:
        known = None if sequences is None else sequences.stated.get(name)
        array = archive.read(name)
        bad |= {row: f"{name}: {why}" for row, why in archive.bad(name).items() if row not in bad}
        if skip and array.dtype == object and array.ndim:
            odd = odd_rows(name, array, None if known is None else str(known))
            array[list(odd)] = None
            bad |= {row: f"{name}: {reason}" for row, reason in odd.items() if row not in bad}
        array, kind = _numbers(path, name, array, known)
        length = _rows(path, name, array)
        if not first:
            rows, first = length, name
        if length != rows:
            raise ValueError(
                f"{path}: {name} has {length} rows but {first} has {rows}; row i of every "
                "array must be sample i"
            )
        if not len(present):
            present = np.zeros((rows, len(modalities)), dtype=np.bool_)
            stated = _stated_presence(archive, rows, columns)
        keep_fine = None if fine is None else name in fine
        said, gone = stated.get(name), np.zeros(0, dtype=np.bool_)
        if name in absent and array.dtype.kind in "biuf":
            gone = absent_rows(array, absent[name])
            said = None if said is None else said & ~gone
            if array.dtype.kind == "f":
                array[gone] = np.nan
        if sequences is not None and array.dtype.kind in "biuf":
            layout = sequences.stated.get(name) or (parse_kind(kind) if kind else None)
            key = archive.lengths.get(name)
            if key is None and "" in archive.lengths and _is_sequence(name, array, layout):
                key = LENGTHS
                unnamed.append(name)
            lengths = None if key is None else archive.read(key)
            array, end = _ends(path, name, array, layout, lengths, sequences)
            ends |= {} if end is None else {name: end}
        number, where = modalities.index(name), f"{path}: modality {name}"
        if skip:
            check_some(path, bad, rows)
            failing = failing_rows(
                partial(_check_rows, where, array, said, keep_fine, cells), np.arange(rows)
            )
            if len(failing) < rows:
                array[list(failing)] = 0
                bad |= {row: f"{name}: {why}" for row, why in failing.items() if row not in bad}
        arrays[name], present[:, number] = checked_numbers(where, array, said, keep_fine, cells)
        present[: len(gone), number] &= ~gone
    every = set(archive.names) <= set(modalities)
    if (
        sequences is not None
        and "" in archive.lengths
        and (len(unnamed) > 1 or (every and not unnamed))
    ):
        raise ValueError(_whose(path, len(unnamed)))
    for name, column in stated.items():
        if name in modalities and name not in archive.names and column.any():
            raise ValueError(
                f"{path}: present says that row {int(column.argmax())} has {name}, but the file "
                "has no such array"
            )
    empty = np.flatnonzero(~present.any(1))
    if skip:
        none = f"it has none of {', '.join(modalities)}"
        bad = {row: none for row in empty.tolist()} | bad
        empty = empty[:0]
        check_some(path, bad, rows)
    if len(empty) and (len(modalities) >= len(columns) or len(empty) == rows):
        raise ValueError(
            f"{path}: row {empty[0]} has none of {', '.join(modalities)} ({len(empty)} such "
            "rows); leave such rows out"
        )
    if samples is not None:
        _check_names(path, SAMPLES, samples, rows, "iuUS")
    if groups is not None:
        _check_names(path, archive.groups, groups, rows, "biuUS")
    if target is not None:
        target = checked_labels(path, target, rows)
    names = None if samples is None else tuple(text(value) for value in samples)
    of = None if groups is None else tuple(text(value) for value in groups)
    if not len(empty) and not bad:
        return SampleTable(path, rows, arrays, present, target, names, 0, of, ends=ends)
    kept = np.delete(np.arange(rows), [*empty, *bad])
    return SampleTable(
        path,
        len(kept),
        {name: array[kept] for name, array in arrays.items()},
        present[kept],
        None if target is None else target[kept],
        tuple(names[row] if names else str(row) for row in kept),
        len(empty),
        None if of is None else tuple(of[row] for row in kept),
        skipped_rows(bad, names),
        kept,
        {name: replace(end, lengths=end.lengths[kept]) for name, end in ends.items()},
    )


def doubts_of(
    role: str,
    archive: ArraySource,
    table: SampleTable,
    names: Sequence[str],
    usual: Mapping[str, float] | None = None,
) -> list[str]:
    """Return sentences on blocks that are probably absent; see `disguise_notes`.

    Args:
        role: Name of the split, with which they begin.
        archive: The file.
        table: Its content.
        names: Names of the columns of `present`.
        usual: See `disguise_notes`.
    """
    present = {
        name: table.present[:, column] for column, name in enumerate(names) if name in table.arrays
    }
    notes = disguise_notes(table.arrays, present, usual, archive.setting)
    return [f"{role}: {note}" for note in notes]


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


def _numbers(path: str, name: str, array: Array, stated: Layout | None) -> tuple[Array, str | None]:
    """Return an array of the file, and its kind if rows of different length show it.

    Rows that are objects are stacked, with NaN where one is None or has ended.
    """
    if array.dtype != object or not array.ndim:
        return array, None
    found = {} if stated is None else {name: str(stated)}
    try:
        return rows_of_modality(name, array, found), found.get(name)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def _is_sequence(name: str, array: Array, layout: Layout | None) -> bool:
    if layout is None and array.ndim == 3:
        layout = guess_layout(array.shape[1:], name)
    return layout is not None and layout.kind == "sequence"


def _whose(path: str, sequences: int) -> str:
    """Return the refusal of lengths that are not of exactly one sequence."""
    return (
        f"{path}: the array {LENGTHS!r} holds the lengths of the only sequence, but {sequences} "
        f"arrays are read as one; name it NAME__{LENGTHS}, after the array that it is of"
    )


def _ends(
    path: str,
    name: str,
    array: Array,
    layout: Layout | None,
    lengths: Array | None,
    rules: SequenceRules,
) -> tuple[Array, Ends | None]:
    """Return an array cut to its longest sequence, and where its sequences end."""
    try:
        return find_ends(name, array, layout, lengths, rules.padding.get(name))
    except ValueError as error:
        raise ValueError(f"{path}: modality {name}: {error}") from error


def _rows(path: str, name: str, array: Array) -> int:
    if not array.ndim or not len(array):
        got = f"shape {array.shape}" if array.ndim else "a single value"
        raise ValueError(f"{path}: expected {name} to have at least one row, got {got}")
    return len(array)


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
