"""libras: 330 hand movements of Brazilian sign language, along each axis of a video, embedded.

Libras Movement, Dias, Peres and Bíscaro, 2009, https://doi.org/10.24432/C5GC82, CC BY 4.0; see
``LICENSES/``. A movement is the middle of the hand in 45 frames; the modalities are its two
coordinates. Four people made them; who made which is not published.
"""

from __future__ import annotations

from dataclasses import dataclass

from dmrnet.data.sets.embedded.base import Embedded, Published, read_published

CLASSES = (
    "curved swing",
    "horizontal swing",
    "vertical swing",
    "anti-clockwise arc",
    "clockwise arc",
    "circle",
    "horizontal straight line",
    "vertical straight line",
    "horizontal zigzag",
    "vertical zigzag",
    "horizontal wavy",
    "vertical wavy",
    "face-up curve",
    "face-down curve",
    "tremble",
)


@dataclass(frozen=True)
class Libras(Embedded):
    """Settings of libras."""

    def published(self) -> Published:
        """Return a sequence of 45 steps of each coordinate."""
        note = "people are not published: one may be in every split"
        return read_published("libras.npz", "sequence", CLASSES, (note,))
