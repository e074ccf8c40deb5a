"""cancer: measurements of cell nuclei of 569 breast masses, benign or malignant, in the package.

Breast Cancer Wisconsin (Diagnostic), Wolberg, Mangasarian, Street and Street, 1995,
https://doi.org/10.24432/C5DW2B, CC BY 4.0; see ``LICENSES/``. Ten measurements of each nucleus in a
digitised image are summarised three times: their mean, their standard error, and the mean of the
three largest values (`worst`).
"""

from __future__ import annotations

from dataclasses import dataclass

from dmrnet.data.sets.embedded.base import Embedded, Published, read_published


@dataclass(frozen=True)
class Cancer(Embedded):
    """Settings of cancer."""

    def published(self) -> Published:
        """Return the three summaries of ten measurements each."""
        return read_published("cancer.npz", "vector", ("malignant", "benign"))
