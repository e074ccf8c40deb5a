"""ionosphere: 350 returns of a radar in phase and in quadrature, good or bad, in the package.

Ionosphere, Sigillito, Wing, Hutton and Baker, 1989, https://doi.org/10.24432/C5W01B, CC BY 4.0; see
``LICENSES/``. 17 pulses, each received as a complex number; the modalities are its real part and
its imaginary part. A good return shows structure in the ionosphere.
"""

from __future__ import annotations

from dataclasses import dataclass

from dmrnet.data.sets.embedded.base import Embedded, Published, read_published


@dataclass(frozen=True)
class Ionosphere(Embedded):
    """Settings of ionosphere."""

    def published(self) -> Published:
        """Return a sequence of 17 steps of each part."""
        return read_published("ionosphere.npz", "sequence", ("good", "bad"))
