"""NIfTI files: every form is read as nibabel reads it; what is written comes back."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

nib = pytest.importorskip("nibabel")

from dmrnet.data.files.media.nifti import file_axes, read_volume, write_labels  # noqa: E402

AFFINE = np.array([[-2.0, 0, 0, 90], [0, 0, 3, -126], [0, 1, 0, -72], [0, 0, 0, 1]])


def values(dtype: str, shape: tuple[int, ...] = (3, 4, 5)) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 40, shape).astype(dtype)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32", ">i2", ">f8"])
@pytest.mark.parametrize("compressed", [False, True])
def test_every_form_is_read(kind, dtype: str, compressed: bool) -> None:
    x = values(dtype, (3, 4, 5, 1) if dtype == "uint8" else (3, 4, 5))
    header = kind.header_class(endianness=">" if dtype[0] == ">" else "<")
    header.set_data_dtype(dtype)
    content = kind(x, AFFINE, header).to_bytes()
    volume = read_volume(gzip.compress(content) if compressed else content)
    np.testing.assert_allclose(volume.values, x.reshape(3, 4, 5), rtol=1e-6)
    assert np.array_equal(volume.affine, AFFINE)
    assert volume.spacing == (2.0, 1.0, 3.0)


@pytest.mark.parametrize("rows", [np.zeros((3, 3)), [[1, 1, 0], [0, 0, 0], [0, 0, 1]]])
def test_axes_without_three_directions_are_refused(rows) -> None:
    affine = np.eye(4)
    affine[:3, :3] = rows
    with pytest.raises(ValueError, match="do not lie along three directions"):
        file_axes(affine, "SPL")


def test_scaled_numbers_are_those_that_are_meant() -> None:
    image = nib.Nifti1Image(values("float32"), AFFINE)
    image.header.set_data_dtype("int16")
    content = image.to_bytes()
    np.testing.assert_allclose(read_volume(content).values, values("float32"), atol=0.01)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not a readable NIfTI file"),
        (b"\x1f\x8bnot at all", "Error -3|Unknown compression|damaged|invalid"),
        (b"x" * 1000, "is not a readable NIfTI file"),
        (nib.Nifti1Image(np.ones((2, 3), np.int16), AFFINE).to_bytes(), "three axes, got 2 x 3"),
        (
            nib.Nifti1Image(np.ones((2, 2, 2), np.complex64), AFFINE).to_bytes(),
            "expected real numbers of at most 64 bits, got complex64",
        ),
    ],
    ids=["empty", "gzip", "text", "flat", "complex"],
)
def test_what_is_no_volume_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_volume(content)


def test_what_inflates_without_measure_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DMRNET_MOST_BYTES", "100000")
    content = nib.Nifti1Image(np.zeros((64, 64, 64), np.uint8), AFFINE).to_bytes()
    packed = gzip.compress(content)
    assert len(packed) < 1000
    with pytest.raises(ValueError, match="would inflate to more than"):
        read_volume(packed)
    # One byte a voxel on the disk, eight in memory where it is scaled.
    with pytest.raises(ValueError, match="states a size of 30 x 30 x 30, more than is read"):
        read_volume(
            gzip.compress(nib.Nifti1Image(np.zeros((30,) * 3, np.uint8), AFFINE).to_bytes())
        )


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_labels_come_back(name: str, tmp_path: Path) -> None:
    labels = np.random.default_rng(1).choice([0, 1, 2, 4], (4, 5, 6)).astype(np.uint8)
    write_labels(tmp_path / name, labels, AFFINE)
    first = (tmp_path / name).read_bytes()
    read = nib.load(tmp_path / name)
    assert np.array_equal(np.asarray(read.dataobj), labels)
    assert np.array_equal(read.affine, AFFINE)
    assert read.get_data_dtype() == np.uint8
    write_labels(tmp_path / name, labels, AFFINE)
    assert (tmp_path / name).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == [name]
