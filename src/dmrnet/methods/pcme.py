"""PCME: SF-MD with a Gaussian on the attention-pooled vector (Table 4, "+PCME").

The head of Chun et al., CVPR 2021 (see `dmrnet.nn.representation.PCME`) before a linear classifier,
sampled once in training, with the distribution term (Eq. 9). No code of this row was released. The
same as ``dmr`` with ``--method.distribution attention``. Not for dense tasks, since the vector has
no positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from dmrnet.methods.dmr import PAPER, RELEASED, DMRSettings, Placement


@dataclass(frozen=True)
class PCMESettings(DMRSettings):
    """Settings of ``pcme``.

    Attributes:
        distribution: Place of the Gaussian; always the attention-pooled vector.
    """

    name: ClassVar[str] = "pcme"
    summary: ClassVar[str] = 'a Gaussian on the attention-pooled vector (Table 4, "+PCME")'
    fixed_placement: ClassVar[Placement | None] = "attention"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "paper": PAPER,
        "released": RELEASED,
    }

    distribution: Placement = "attention"
