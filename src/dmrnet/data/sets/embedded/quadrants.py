"""quadrants: 1797 handwritten digits of 8×8 pixels, cut into four, inside the package.

The test part of Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998,
https://doi.org/10.24432/C50P49, CC BY 4.0; see ``LICENSES/``), as scikit-learn has it. A quadrant
alone says little and all four interact: the modalities are parts of one shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dmrnet.data.sets.embedded.base import Embedded, Published, read, task_of


@dataclass(frozen=True)
class Quadrants(Embedded):
    """Settings of quadrants.

    Attributes:
        form: Quadrants as images of 1×4×4, or as vectors of 16.
    """

    form: Literal["images", "vectors"] = "images"

    def published(self) -> Published:
        """Return the quadrants: north-west, north-east, south-west, south-east."""
        content = read("quadrants.npz")
        pixels = content["pixels"].unsqueeze(1)
        north, south = pixels.split(4, 2)
        halves = (*north.split(4, 3), *south.split(4, 3))
        arrays = dict(zip(("nw", "ne", "sw", "se"), halves, strict=True))
        images = self.form == "images"
        shaped = {k: (v if images else v.flatten(1)).contiguous() for k, v in arrays.items()}
        task = task_of(shaped, "image" if images else "vector", "0123456789")
        return Published(task, shaped, content["y"])
