"""Volumes in NIfTI files: read with bounds, and written (extra ``volumes``)."""

from __future__ import annotations

import gzip
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.storage import write_bytes
from dmrnet.untrusted import gunzip, most_bytes

GZIP = b"\x1f\x8b"
"""First bytes of a file compressed by gzip, whatever its name."""

NEAR = 1e-3
"""Largest difference, in mm, of two affine matrices that are the same."""


@dataclass(frozen=True)
class Volume:
    """Content of a NIfTI file.

    Attributes:
        values: Voxels ``(D, H, W)``, in the order of the file's first, second and third axis.
        affine: Matrix ``(4, 4)`` from voxels to millimetres, float64.
        spacing: Distance of voxels along each axis, in millimetres.
    """

    values: Array
    affine: Array
    spacing: tuple[float, float, float]

    def difference(self, other: Volume, name: str) -> str:
        """Return how the geometry differs from that of another volume; empty if it does not."""
        if self.values.shape != other.values.shape:
            return f"is {sizes(self.values.shape)}, where {name} is {sizes(other.values.shape)}"
        if not np.allclose(self.affine, other.affine, rtol=0, atol=NEAR):
            return f"has another affine matrix than {name}: they are not aligned"
        return ""


def nibabel() -> Any:  # noqa: ANN401  the module is typed where it is imported
    """Return the module nibabel.

    Raises:
        ModuleNotFoundError: If it is not installed; the message says how to install it.
    """
    try:
        import nibabel as module
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'NIfTI files are read by nibabel, which is not installed: pip install "dmrnet[volumes]"'
        ) from error
    return module


def read_volume(content: bytes) -> Volume:
    """Return the volume of a NIfTI file, compressed by gzip or not.

    Args:
        content: Content of a ``.nii`` or ``.nii.gz`` file.

    Raises:
        ValueError: If it is no NIfTI file, is cut short, holds no three-dimensional volume of real
            numbers, or states a size beyond `dmrnet.untrusted.most_bytes`.
    """
    module = nibabel()
    raw = gunzip(content) if content.startswith(GZIP) else content
    kind = module.Nifti1Image
    if int.from_bytes(raw[:4], "little") == 540 or int.from_bytes(raw[:4], "big") == 540:
        kind = module.Nifti2Image
    try:
        image = kind.from_bytes(raw)
        shape = tuple(int(size) for size in image.shape)
        dtype = np.dtype(image.get_data_dtype())
        start = int(image.dataobj.offset)
    # Nibabel, struct and numpy raise several kinds of error on a damaged header.
    except Exception as error:
        raise ValueError(f"is not a readable NIfTI file ({error})") from error
    _check_size(shape, dtype, len(raw) - start, len(content))
    values = np.asanyarray(image.dataobj).reshape(shape[:3])
    affine = np.asarray(image.affine, dtype=np.float64)
    if not np.isfinite(affine).all():
        raise ValueError("has an affine matrix that is not finite")
    spacing = np.linalg.norm(affine[:3, :3], axis=0).tolist()
    return Volume(values, affine, (spacing[0], spacing[1], spacing[2]))


def _check_size(shape: tuple[int, ...], dtype: np.dtype[Any], held: int, stored: int) -> None:
    """Refuse what is no volume of numbers or larger than its file, before it is read."""
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise ValueError(f"expected real numbers of at most 64 bits, got {dtype}")
    if len(shape) < 3 or any(size != 1 for size in shape[3:]) or min(shape) < 1:
        raise ValueError(f"expected a volume of three axes, got {sizes(shape)}")
    needed = math.prod(shape) * dtype.itemsize
    # Numbers that are scaled become float64.
    if math.prod(shape) * 8 > most_bytes(stored):
        raise ValueError(f"states a size of {sizes(shape)}, more than is read")
    if needed > held:
        raise ValueError(f"is cut short: {sizes(shape)} needs {needed} bytes, it holds {held}")


def file_axes(affine: Array, codes: str) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Return which axis of a file runs along each of three directions, and whether in reverse.

    Args:
        affine: Matrix ``(4, 4)`` from voxels to millimetres.
        codes: A letter for the end of each direction: L or R, A or P, I or S.

    Raises:
        ValueError: If two axes of the file lie along one line, or one along none.

    >>> file_axes(np.diag([-1.0, -1.0, 1.0, 1.0]), "SPL")
    ((2, 1, 0), (False, False, False))
    >>> file_axes(np.eye(4), "SPL")
    ((2, 1, 0), (False, True, True))
    """
    from nibabel import orientations

    module: Any = orientations  # it has no types
    of_file, wanted = module.io_orientation(affine), module.axcodes2ornt(tuple(codes))
    if np.isnan(of_file).any():
        raise ValueError("has an affine matrix whose axes do not lie along three directions")
    axes = [int(np.flatnonzero(of_file[:, 0] == world)[0]) for world, _ in wanted]
    flips = [bool(of_file[k, 1] != way) for k, (_, way) in zip(axes, wanted, strict=True)]
    return (axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2])


def write_labels(path: Path, labels: Array, affine: Array) -> None:
    """Write labels of voxels as a NIfTI file, whole or not at all; the same bytes every time.

    Args:
        path: File to write; compressed if its name ends in ``.gz``.
        labels: Labels ``(D, H, W)`` from 0 to 255.
        affine: Matrix ``(4, 4)`` from voxels to millimetres.
    """
    image = nibabel().Nifti1Image(np.asarray(labels, dtype=np.uint8), affine)
    image.header.set_xyzt_units("mm")
    content = image.to_bytes()
    write_bytes(path, gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def sizes(shape: tuple[int, ...]) -> str:
    """Return a shape in words.

    >>> sizes((240, 240, 155))
    '240 x 240 x 155'
    """
    return " x ".join(map(str, shape))
