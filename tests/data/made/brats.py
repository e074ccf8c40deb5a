"""Makes `brats` as it is published in each year, small: folders of NIfTI files."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (20, 22, 18)
MARGIN = 2
"""Voxels around the brain that are 0."""

AFFINE = np.array([[-1, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=np.float64)
"""That of the published files."""

MODALITIES = ("flair", "t1ce", "t1", "t2")
ENDINGS = {
    2018: dict(zip((*MODALITIES, "labels"), ("flair", "t1ce", "t1", "t2", "seg"), strict=True)),
    2023: dict(zip((*MODALITIES, "labels"), ("t2f", "t1c", "t1n", "t2w", "seg"), strict=True)),
}
GRADES = ("HGG/Brats18_2013_2_1", "HGG/Brats18_CBICA_AAB_1", "HGG/Brats18_TCIA01_131_1")
GRADES += ("LGG/Brats18_2013_0_1", "LGG/Brats18_TCIA09_141_1", "LGG/Brats18_TCIA10_103_1")
NUMBERS = (1, 2, 3, 4, 5, 355)

CASES = {
    2018: [f"MICCAI_BraTS_2018_Data_Training/{one}" for one in GRADES],
    2020: [f"MICCAI_BraTS2020_TrainingData/BraTS20_Training_{n:03}" for n in NUMBERS],
    2023: [
        f"ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData/BraTS-GLI-{one}"
        for one in ("00000-000", "00000-001", "00002-000", "00003-000", "00005-000", "00006-000")
    ],
}
"""Folders of the cases of each year; those of 2023 have two visits of one patient."""


def labels(seed: int) -> np.ndarray:
    """Classes 0 to 3 ``(D, H, W)``: a core in an enhancing rim in an oedema."""
    rng = np.random.default_rng(seed)
    centre = [int(rng.integers(8, side - 7)) for side in SHAPE]
    grid = np.indices(SHAPE)
    distance = np.sqrt(sum((grid[axis] - centre[axis]) ** 2 for axis in range(3)))
    found = np.zeros(SHAPE, dtype=np.uint8)
    for radius, label in ((5, 2), (3, 3), (1.5, 1)):
        found[distance <= radius] = label
    return found


LOOK = {"flair": (0, 60, 200, 90), "t1ce": (0, -40, 10, 250), "t1": (0, -60, -20, 20)}
LOOK |= {"t2": (0, 120, 150, 60)}
"""Brightness of each class over that of the brain."""


def brain(seed: int) -> tuple[slice, slice, slice]:
    """Return the box of a brain; every second one is shorter along the first axis."""
    first, *others = (slice(MARGIN, side - MARGIN) for side in SHAPE)
    return slice(first.start + seed % 2, first.stop), others[0], others[1]


def intensities(seed: int, name: str) -> np.ndarray:
    """One modality, int16 ``(D, H, W)``; 0 outside of the brain."""
    rng = np.random.default_rng([seed, MODALITIES.index(name)])
    values = 400 + rng.normal(0, 15, SHAPE) + np.array(LOOK[name])[labels(seed)]
    made = np.zeros(SHAPE, dtype=np.int16)
    inside = brain(seed)
    made[inside] = values[inside].astype(np.int16)
    return made


def write(path: Path, values: np.ndarray, affine: np.ndarray = AFFINE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = nib.Nifti1Image(values, affine).to_bytes()
    path.write_bytes(gzip.compress(content, 1, mtime=0) if path.suffix == ".gz" else content)


def file_of(folder: Path, year: int, case: int, role: str, ending: str = ".nii.gz") -> Path:
    """Return the file of a modality, or the labels, of a case by its number."""
    place = folder / CASES[year][case]
    if (year, CASES[year][case][-3:], role) == (2020, "355", "labels"):
        return place / f"W39_1998.09.19_Segm{ending}"
    between = "-" if year == 2023 else "_"
    return place / f"{place.name}{between}{ENDINGS[2023 if year == 2023 else 2018][role]}{ending}"


def make(folder: Path, year: int = 2020, ending: str = ".nii.gz") -> Path:
    """Write six cases in the layout of a year."""
    numbers = np.array((0, 1, 2, 3) if year == 2023 else (0, 1, 2, 4), dtype=np.uint8)
    for case in range(len(CASES[year])):
        for name in MODALITIES:
            write(file_of(folder, year, case, name, ending), intensities(case, name))
        write(file_of(folder, year, case, "labels", ending), numbers[labels(case)])
    return folder
