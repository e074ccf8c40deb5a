"""landsat: 6435 patches of 3×3 pixels in four bands of a satellite, six kinds of soil, embedded.

Statlog (Landsat Satellite), Ashwin Srinivasan, 1993, https://doi.org/10.24432/C55887, CC BY 4.0;
see ``LICENSES/``. Green, red and two near-infrared bands of one scene; the class is that of the
pixel in the middle. Patches next to one another share six of nine pixels, and a split at random has
such neighbours on both sides: scores hold for this scene only.
"""

from __future__ import annotations

from dataclasses import dataclass

from dmrnet.data.sets.embedded.base import Embedded, Published, read_published

CLASSES = (
    "red soil",
    "cotton crop",
    "grey soil",
    "damp grey soil",
    "soil with vegetation stubble",
    "very damp grey soil",
)


@dataclass(frozen=True)
class Landsat(Embedded):
    """Settings of landsat."""

    def published(self) -> Published:
        """Return an image of each band."""
        note = "patches overlap, also across the splits: scores hold for this scene only"
        return read_published("landsat.npz", "image", CLASSES, (note,))
