"""PCME: SF-MD with a Gaussian on the attention-pooled vector (Table 4, "+PCME").

The head of Chun et al., CVPR 2021 (see `dmrnet.nn.representation.PCME`) in front of a linear
classifier, sampled once in training, with the distribution term (Eq. 9). No code of this row was
released. The same as ``dmr`` with ``--method.distribution attention``; not for labels by pixel,
since the vector has no positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from dmrnet.methods.dmr import PAPER, RELEASED, DMRSettings, Over


@dataclass(frozen=True)
class PCMESettings(DMRSettings):
    """Settings of ``pcme``.

    Attributes:
        distribution: Over the attention-pooled vector; over anything else it is another method's
            name.
    """

    name: ClassVar[str] = "pcme"
    summary: ClassVar[str] = 'a Gaussian on the attention-pooled vector (Table 4, "+PCME")'
    over: ClassVar[Over | None] = "attention"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "paper": PAPER,
        "released": RELEASED,
    }

    distribution: Over = "attention"
