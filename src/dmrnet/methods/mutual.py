"""mutual: SF-MD with two random masks of each sample, whose predictions learn from each other.

Ours, not in the paper. In a study before this project it was the only idea that improved the worst
combination on every data set, at a cost to the full one. Features are encoded once; fusion and
prediction run twice. Its control is `--method.mutual 0`, two masks without the term. Any other
method can be trained with it: `--method.mutual 1 --method.encodes present`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from dmrnet.methods.sf_md import SFMDSettings


@dataclass(frozen=True)
class MutualSettings(SFMDSettings):
    """Settings of ``mutual``.

    Attributes:
        mutual: Weight of the mutual divergence; 0 for two masks without the divergence.
    """

    name: ClassVar[str] = "mutual"
    summary: ClassVar[str] = "sf-md with two masks of each sample that learn from each other (ours)"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {"best": {}}

    encodes: Literal["mask", "present"] = "present"
    mutual: float | None = 1.0
