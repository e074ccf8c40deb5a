"""Settings of data sets of volumes with a class for every voxel. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from dmrnet.hints import nearest

STEP = 8
"""Patches that no setting names have sides that are multiples of this."""

USUAL_SIDE = 64
"""Largest side of such a patch, in voxels."""

Regions = tuple[tuple[str, tuple[int, ...]], ...]
"""Name of each region, and the numbers of the classes that it is made of."""


@dataclass(frozen=True)
class VolumeOptions:
    """Settings of patches for training and of windows for prediction.

    Attributes:
        patch: Sides of a training patch in voxels: one for all axes, or depth, height and width;
            windows of prediction have this size, too. By default up to 64, less where volumes are
            smaller.
        patches: Number of patches of each training volume in an epoch, drawn anew in every epoch.
        foreground: Share of the patches with a voxel of another class than the first at their
            centre, each class as often as another; the others lie anywhere.
        augment: Augmentation of patches: none, or flip (each axis at random).
        intensity: Largest random change of a modality's numbers in a patch: they are multiplied by
            1 plus or minus at most this, and at most this is added or taken off, in deviations; 0.1
            in RFNet's and mmFormer's code.
        weights: Class weights in the cross-entropy: none (all 1), median (median frequency over the
            frequency of a class), or root (the square root of that).
        overlap: Share of a window that its neighbour along an axis covers too, in prediction.
    """

    patch: list[int] | None = field(default=None, kw_only=True)
    patches: int = field(default=4, kw_only=True)
    foreground: float = field(default=0.5, kw_only=True)
    augment: Literal["none", "flip"] = field(default="flip", kw_only=True)
    intensity: float = field(default=0.0, kw_only=True)
    weights: Literal["none", "root", "median"] = field(default="none", kw_only=True)
    overlap: float = field(default=0.5, kw_only=True)

    def check_options(self) -> None:
        """Raise `ValueError` if a setting is out of range."""
        sides = self.patch
        if sides is not None and (len(sides) not in (1, 3) or min(sides) < 1):
            raise ValueError(
                f"expected patch as one side in voxels, or depth, height and width, got {sides}"
            )
        if self.patches < 1:
            raise ValueError(f"expected patches of 1 or more, got {self.patches}")
        if not 0 <= self.foreground <= 1:
            raise ValueError(f"expected foreground from 0 to 1, got {self.foreground}")
        if not 0 <= self.intensity < 1:
            raise ValueError(f"expected intensity from 0 to below 1, got {self.intensity}")
        if not 0 <= self.overlap < 1:
            raise ValueError(f"expected overlap from 0 to below 1, got {self.overlap}")

    def sides(self, largest: Sequence[int]) -> tuple[int, int, int]:
        """Return depth, height and width of a patch.

        Args:
            largest: Largest depth, height and width of the training volumes.

        >>> VolumeOptions().sides((155, 30, 240)), VolumeOptions(patch=[80]).sides((8, 8, 8))
        ((64, 32, 64), (80, 80, 80))
        """
        if self.patch is not None:
            sides = self.patch * 3 if len(self.patch) == 1 else self.patch
        else:
            sides = [min(USUAL_SIDE, -(-size // STEP) * STEP) for size in largest]
        depth, height, width = sides
        return depth, height, width


@dataclass(frozen=True)
class OwnVolumes(VolumeOptions):
    """Settings of the user's own volumes: patches, and what the numbers in labels mean.

    Attributes:
        classes: Names of the classes in order; by default their numbers.
        labels: Number in ``y`` of each class, e.g. `0,1,2,4`; by default those of the training
            volumes, which count from 0 where classes are named.
        ignore: One more number in ``y`` that stands for no class, e.g. 255.
        regions: Regions of several classes that are scored besides classes, by name, e.g.
            `WT=1+2+4,TC=1+4,ET=4`; they may overlap.
        spacing: Size of a voxel along depth, height and width, e.g. `1,1,1` in mm: the unit of
            HD95; by default voxels.
        empty_distance: HD95 where a region is only in the labels or only in the prediction; by
            default the diagonal of the volume.
    """

    classes: list[str] | None = field(default=None, kw_only=True)
    labels: list[int] | None = field(default=None, kw_only=True)
    ignore: int = field(default=-1, kw_only=True)
    regions: dict[str, str] | None = field(default=None, kw_only=True)
    spacing: list[float] | None = field(default=None, kw_only=True)
    empty_distance: float | None = field(default=None, kw_only=True)

    def check_options(self) -> None:
        """Raise `ValueError` if a setting is out of range."""
        super().check_options()
        spacing = self.spacing
        if spacing is not None and (len(spacing) != 3 or not min(spacing) > 0):
            raise ValueError(f"expected spacing as three sizes above 0, got {spacing}")


def own_volumes(options: Mapping[str, Any] | None) -> OwnVolumes:
    """Return settings that are given in Python, with a number for `patch`, lists for regions.

    Raises:
        TypeError: If there is no such setting.
        ValueError: If one is out of range.

    >>> own_volumes({"patch": 16, "regions": {"WT": (1, 2)}}).regions
    {'WT': '1+2'}
    """
    known = [one.name for one in fields(OwnVolumes)]
    values = dict(options or {})
    for name in values:
        if name not in known:
            raise TypeError(f"volumes have no setting {name!r}; {nearest(name, known)}")
    for name in ("patch", "spacing", "classes", "labels"):
        value = values.get(name)
        if value is not None:
            one = isinstance(value, int | float)
            values[name] = [value] * (3 if name == "spacing" else 1) if one else list(value)
    if values.get("regions") is not None:
        values["regions"] = {
            name: some if isinstance(some, str) else "+".join(map(str, some))
            for name, some in values["regions"].items()
        }
    made = OwnVolumes(**values)
    made.check_options()
    return made


def region_numbers(regions: Mapping[str, str] | None, classes: Sequence[str]) -> Regions:
    """Return the numbers of the classes of each region.

    Args:
        regions: Names of classes, joined by ``+``, of each region by name.
        classes: Names of the classes.

    Raises:
        ValueError: If there is no such class.

    >>> region_numbers({"WT": "ED+ET"}, ("none", "NCR", "ED", "ET"))
    (('WT', (2, 3)),)
    """
    numbers = []
    for region, joined in (regions or {}).items():
        names = joined.split("+")
        for name in names:
            if name not in classes:
                raise ValueError(f"region {region}: no class {name!r}; {nearest(name, classes)}")
        numbers.append((region, tuple(sorted({classes.index(name) for name in names}))))
    return tuple(numbers)
