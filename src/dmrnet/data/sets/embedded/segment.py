"""segment: 2086 patches of seven outdoor photographs: place, edges and colour, in the package.

Image Segmentation, Vision Group of the University of Massachusetts, 1990,
https://doi.org/10.24432/C5GP4N, CC BY 4.0; see ``LICENSES/``. A patch of 3×3 pixels is described by
its place in the photograph (2 numbers), contrasts and lines (6), and colours (10). Which photograph
a patch is from is not published.
"""

from __future__ import annotations

from dataclasses import dataclass

from dmrnet.data.sets.embedded.base import Embedded, Published, read_published

CLASSES = ("brickface", "sky", "foliage", "cement", "window", "path", "grass")


@dataclass(frozen=True)
class Segment(Embedded):
    """Settings of segment."""

    def published(self) -> Published:
        """Return the three groups of features."""
        return read_published("segment.npz", "vector", CLASSES)
