"""An ``.npz`` file with one array per modality, as a source of arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from dmrnet.data.files.arrays.ends import LENGTHS
from dmrnet.data.files.arrays.layout import Layout, guess_layout
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.arrays.pickles import read_npy
from dmrnet.data.files.arrays.resize import Sizes, sized
from dmrnet.data.files.arrays.source import GROUPS, RESERVED, ArraySource
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
        lengths = {name: f"{name}{ending}" for name in members if f"{name}{ending}" in members}
        if LENGTHS in members and not lengths:
            array = self.read(LENGTHS)
            if array.ndim == 1 and array.dtype.kind in "iu":
                lengths[""] = LENGTHS
        return lengths

    def read_lengths(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Return the lengths of the sequences among arrays, by modality, where the file has them.

        Raises:
            ValueError: If it is unclear which array they belong to.
        """
        named = {name: self.read(key) for name, key in self.lengths.items() if name}
        if "" in self.lengths:
            sequences = [one for one, array in arrays.items() if is_sequence(one, array, None)]
            if len(sequences) != 1:
                raise ValueError(whose_lengths(self.path, len(sequences)))
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


def is_sequence(name: str, array: Array, layout: Layout | None) -> bool:
    """Return whether an array holds sequences, by its layout, or by its shape and name."""
    if layout is None and array.ndim == 3:
        layout = guess_layout(array.shape[1:], name)
    return layout is not None and layout.kind == "sequence"


def whose_lengths(path: str, sequences: int) -> str:
    """Return the refusal of lengths that are not of exactly one sequence."""
    return (
        f"{path}: the array {LENGTHS!r} holds the lengths of the only sequence, but {sequences} "
        f"arrays are read as one; name it NAME__{LENGTHS}, after the array that it is of"
    )
