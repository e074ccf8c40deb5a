"""mutual: SF-MD with two random masks of each sample, whose predictions learn from each other.

Ours, and not in the paper. In a study before this project it was the one idea that lifted the worst
combination on every set, at a cost to the full one. What is encoded is used twice; the price is a
second fusion and prediction. `--method.mutual 0` is its control, two masks without the term; any
other method takes the term by `--method.mutual 1 --method.encodes present`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from dmrnet.methods.sf_md import SFMDSettings


@dataclass(frozen=True)
class MutualSettings(SFMDSettings):
    """Settings of ``mutual``.

    Attributes:
        mutual: Weight of the mutual divergence; 0 for two masks without it.
    """

    name: ClassVar[str] = "mutual"
    summary: ClassVar[str] = "sf-md with two masks of each sample that learn from each other (ours)"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {"best": {}}

    encodes: Literal["mask", "present"] = "present"
    mutual: float | None = 1.0
