"""Modalities, classes and regions of BraTS, and the labels that its files have for them."""

from __future__ import annotations

VERSION = 1
"""Version of the preparation."""

MODALITIES = ("flair", "t1ce", "t1", "t2")
"""Modalities in the order of RFNet's and mmFormer's code; ShaSpec's has t1 before t1ce."""

LABELS = "labels"
"""Kind of the file with a label for every voxel."""

CLASSES = ("background", "NCR/NET", "ED", "ET")
"""Necrotic and non-enhancing core, oedema, enhancing tumour, in the order of their labels."""

REGIONS = {"WT": "NCR/NET+ED+ET", "TC": "NCR/NET+ET", "ET": "ET"}
"""Classes, joined by +, of the whole tumour, the tumour core and the enhancing tumour."""

UNTIL_2021 = (0, 1, 2, 4)
"""Labels in files until 2021, which have no 3; class k has the k-th of them."""

SINCE_2023 = (0, 1, 2, 3)
"""Labels in files from 2023 on."""

DIRECTIONS = "SPL"
"""Ends of depth, height and width of a case: to the top, the back and the left of the head, as in
the published files, so that a slice is an axial one. Files that are stored otherwise are turned."""

AXES = (2, 1, 0)
"""Axis of a published file along depth, height and width."""

EMPTY_DISTANCE = 373.13
"""HD95 in mm where one of truth and prediction has no voxel of a region: BraTS's diagonal."""

SPACING = (1.0, 1.0, 1.0)
"""Distance of voxels in mm, to which BraTS resamples every case."""


def numbers_of(year: int) -> tuple[int, ...]:
    """Return the label of each class in the files of a year; 0 is one before 2022.

    >>> numbers_of(2020), numbers_of(2023)
    ((0, 1, 2, 4), (0, 1, 2, 3))
    """
    return SINCE_2023 if year >= 2023 else UNTIL_2021
