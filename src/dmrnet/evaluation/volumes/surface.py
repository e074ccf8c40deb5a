"""HD95: the 95th percentile of the distances between the surfaces of two regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PERCENTILE = 95.0


def hd95(
    truth: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    empty: float | None = None,
) -> float:
    """Return the 95th percentile of the distances between the surfaces of two regions.

    Distances are measured from each voxel of either surface to the nearest of the other; the larger
    of the two percentiles counts, as in MONAI's ``compute_hausdorff_distance``. A voxel is on the
    surface if one of its six neighbours is not in the region. If both regions are empty the
    distance is 0; if one of them is, it is `empty`.

    Args:
        truth: bool ``(D, H, W)``.
        predicted: bool ``(D, H, W)``.
        spacing: Size of a voxel along each axis, the unit of the result.
        empty: Distance between a region and none; by default the diagonal of the volume.

    >>> one, other = np.zeros((2, 5, 5, 5), dtype=bool)
    >>> one[2, 2, 2] = other[2, 2, 4] = True
    >>> hd95(one, other), hd95(one, other, (1, 1, 0.5)), hd95(one, one & other, empty=9.0)
    (2.0, 1.0, 9.0)
    """
    union = truth | predicted
    if not union.any():
        return 0.0
    if not truth.any() or not predicted.any():
        if empty is not None:
            return float(empty)
        return float(np.linalg.norm(np.array(truth.shape) * np.array(spacing)))
    box = _box(union)
    surfaces = [_surface(region[box]) for region in (truth, predicted)]
    return max(_directed(one, other, spacing) for one, other in (surfaces, surfaces[::-1]))


def _box(region: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the smallest box around a region."""
    sides = []
    for axis in range(region.ndim):
        others = tuple(other for other in range(region.ndim) if other != axis)
        at = np.flatnonzero(region.any(others))
        sides.append(slice(int(at[0]), int(at[-1]) + 1))
    return tuple(sides)


def _surface(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy.ndimage import binary_erosion

    inner: Any = binary_erosion(region)
    surface: NDArray[np.bool_] = region & ~inner
    return surface


def _directed(start: NDArray[np.bool_], end: NDArray[np.bool_], spacing: Sequence[float]) -> float:
    """Return the percentile of the distances from one surface to the nearest voxel of another."""
    from scipy.ndimage import distance_transform_edt

    distances: Any = distance_transform_edt(~end, sampling=tuple(spacing))
    return float(np.percentile(distances[start], PERCENTILE))
