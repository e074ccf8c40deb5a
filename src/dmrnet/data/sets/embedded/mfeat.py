"""mfeat: six views of 2000 handwritten digits (UCI Multiple Features), inside the package.

Robert Duin, 1998, https://doi.org/10.24432/C5HC70, CC BY 4.0; see ``LICENSES/``. The views come
from one binary image of a digit, cut from Dutch utility maps: Fourier coefficients (`fou`), profile
correlations (`fac`), Karhunen-Loève coefficients (`kar`), a 16×15 image of pixel averages (`pix`),
Zernike moments (`zer`) and six morphological numbers (`mor`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmrnet.data.sets.embedded.base import Embedded, Published, read

if TYPE_CHECKING:
    from torch import Tensor

    from dmrnet.modalities import Task

MODALITIES = ("fou", "fac", "kar", "pix", "zer", "mor")
TWINS = ((605, 774), (1148, 1172), (1237, 1271), (1265, 1272), (1448, 1521), (1892, 1999))
"""Pairs of rows that are the same digit, equal in every view; both stay in training."""


@dataclass(frozen=True)
class Mfeat(Embedded):
    """Settings of mfeat."""

    train: float = 0.6

    def published(self) -> Published:
        """Return the six views."""
        import torch

        task, arrays, target = views()
        twins = torch.zeros(len(target), dtype=torch.bool)
        twins[torch.tensor(TWINS).flatten()] = True
        kept = "; the 6 digits that occur twice are in train"
        image = "pix" in (MODALITIES if self.modalities is None else self.modalities)
        notes = ("pix (240 numbers) read as image 1x16x15",) if image else ()
        return Published(task, arrays, target, twins, kept, notes)


def views() -> tuple[Task, dict[str, Tensor], Tensor]:
    """Return the task, the views as float32 and the digits as int64, in the published order."""
    from dmrnet.modalities import Modality, Task

    arrays = read("mfeat.npz")
    target = arrays.pop("y")
    arrays["pix"] = arrays["pix"].reshape(-1, 1, 16, 15)
    inputs = tuple(
        Modality(name, "image" if name == "pix" else "vector", tuple(arrays[name].shape[1:]))
        for name in MODALITIES
    )
    return Task(inputs, tuple(str(digit) for digit in range(10))), arrays, target
