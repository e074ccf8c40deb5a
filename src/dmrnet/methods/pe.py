"""PE: SF-MD with a Gaussian on the pooled vector (Table 4, "+PE").

The head of the released audio-visual code: ``g = GAP(z)``, ``mu = BN(W g + b)``,
``log sigma^2 = BN(W' g + b')``, sampled in training, with the distribution term (Eq. 9). It is
named after Shi and Jain, ICCV 2019, whose own head has fixed means and no sampling; the paper only
says "for the feature vector via a fully connected layer". The same as ``dmr`` with
``--method.distribution vector``. Not for dense tasks, since the vector has no positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from dmrnet.methods.dmr import PAPER, RELEASED, DMRSettings, Placement


@dataclass(frozen=True)
class PESettings(DMRSettings):
    """Settings of ``pe``.

    Attributes:
        distribution: Place of the Gaussian; always the pooled vector.
    """

    name: ClassVar[str] = "pe"
    summary: ClassVar[str] = 'a Gaussian on the pooled vector (Table 4, "+PE")'
    fixed_placement: ClassVar[Placement | None] = "vector"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "paper": PAPER,
        "released": RELEASED,
    }

    distribution: Placement = "vector"
