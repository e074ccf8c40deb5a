"""ESANet-MD: ESANet with modality dropout, the baseline of Table 5 for labels by pixel.

SF-MD's terms on the network of Seichter et al., ICRA 2021: the mask is drawn once a sample and
hides its streams' maps at all five fusions. What ``sf-md`` is with
``--method.network.family esanet``, under the name that the table has for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from dmrnet.methods.sf_md import SFMDSettings
from dmrnet.nn.networks.network import Family, Network


@dataclass(frozen=True)
class ESANet(Network):
    """A network that is ESANet where nobody says otherwise."""

    family: Family = "esanet"


@dataclass(frozen=True)
class ESANetMDSettings(SFMDSettings):
    """Settings of ``esanet-md``: those of ``sf-md``.

    Attributes:
        network: Encoders, fusion and trunk; by default of the family esanet.
    """

    name: ClassVar[str] = "esanet-md"
    summary: ClassVar[str] = "modality dropout on ESANet, cross-entropy of every pixel"

    network: Network = field(default_factory=ESANet)
