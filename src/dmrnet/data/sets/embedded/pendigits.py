"""pendigits: 10,992 digits written on a tablet, the pen's path along each axis, in the package.

Pen-Based Recognition of Handwritten Digits, Alpaydin and Alimoglu, 1996,
https://doi.org/10.24432/C5MG6K, CC BY 4.0; see ``LICENSES/``. A digit is eight points at equal
distances along the pen's path; the modalities are the two coordinates. The source file does not
name the 44 writers, so that scores are not for new writers.
"""

from __future__ import annotations

from dataclasses import dataclass

from dmrnet.data.sets.embedded.base import Embedded, Published, read_published


@dataclass(frozen=True)
class Pendigits(Embedded):
    """Settings of pendigits."""

    def published(self) -> Published:
        """Return a sequence of eight steps of each coordinate."""
        note = "writers are not published: one may be in every split"
        return read_published("pendigits.npz", "sequence", "0123456789", (note,))
