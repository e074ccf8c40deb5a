"""Opening an ``.npz`` file with one array a modality."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dmrnet.hints import nearest
from dmrnet.modalities import check_names

Array = npt.NDArray[np.generic]

TARGET, PRESENT, SAMPLES = "y", "present", "samples"
RESERVED = (TARGET, PRESENT, SAMPLES)
"""Names of the arrays that are no modality."""


class Archive:
    """An ``.npz`` file.

    Attributes:
        path: Path of the file.
        names: Names of the modalities, in the order of the file.
        reserved: Names of the other arrays.

    Raises:
        FileNotFoundError: If there is no such file; the message has the nearest name in its folder.
        ValueError: If it is no ``.npz``, or two of its arrays have one name.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        file = Path(path)
        if not file.exists():
            raise FileNotFoundError(f"there is no file {path}; {_nearest_file(file)}")
        if not file.is_file():
            raise ValueError(f"{path}: expected an .npz file, got a folder")
        try:
            with zipfile.ZipFile(file) as archive:
                members = [name.removesuffix(".npy") for name in archive.namelist()]
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise ValueError(
                f"{path}: expected an .npz file as numpy.savez writes it ({error})"
            ) from error
        for name in members:
            if (count := members.count(name)) > 1:
                raise ValueError(f"{path}: expected one array {name!r}, got {count}; save it once")
        self.names = tuple(name for name in members if name not in RESERVED)
        self.reserved = tuple(name for name in members if name in RESERVED)
        try:
            check_names(self.names)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def check_known(self, known: Sequence[str]) -> None:
        """Raise ValueError if the file has a modality that is not among the known ones."""
        for name in self.names:
            if name not in known:
                raise ValueError(
                    f"{self.path}: training had no modality {name!r}, so nothing is known of it: "
                    f"leave it out, or rename it; {nearest(name, known)}"
                )

    def check_target(self, what: str = "the labels") -> None:
        """Raise ValueError if the file has no labels."""
        if TARGET not in self.reserved:
            raise ValueError(
                f"{self.path}: expected {what} as an array named {TARGET!r}; it has "
                f"{', '.join((*self.names, *self.reserved))}"
            )

    def read(self, name: str) -> Array:
        """Return one array.

        Raises:
            ValueError: If it holds Python objects, or is damaged.
        """
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                array = archive[name]
        # Numpy, zlib and zipfile raise a dozen kinds of error on a damaged or hostile file.
        except Exception as error:
            raise ValueError(
                f"{self.path}: the array {name!r} cannot be read ({error}); expected plain "
                "numbers or text, no Python objects: convert it before numpy.savez"
            ) from error
        if not isinstance(array, np.ndarray):
            raise ValueError(
                f"{self.path}: {name!r} is not an array; save the file with numpy.savez"
            )
        return array


def _nearest_file(file: Path) -> str:
    if not file.parent.is_dir():
        return f"nor a folder {file.parent}"
    names = sorted(path.name for path in file.parent.iterdir() if path.suffix == ".npz")
    return nearest(file.name, names) if names else f"{file.parent} holds no .npz file"
