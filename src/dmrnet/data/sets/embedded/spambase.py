"""spambase: 4203 e-mails by words, characters and runs of capital letters, in the package.

Spambase, Hopkins, Reeber, Forman and Suermondt, 1999, https://doi.org/10.24432/C53G6X, CC BY 4.0;
see ``LICENSES/``. Frequencies of 48 words and 6 characters in per cent, and the mean, greatest and
total length of runs of capitals.
"""

from __future__ import annotations

from dataclasses import dataclass

from dmrnet.data.sets.embedded.base import Embedded, Published, read_published


@dataclass(frozen=True)
class Spambase(Embedded):
    """Settings of spambase."""

    def published(self) -> Published:
        """Return the three groups of features."""
        return read_published("spambase.npz", "vector", ("mail", "spam"))
