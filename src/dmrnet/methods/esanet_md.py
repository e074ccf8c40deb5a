"""ESANet-MD: ESANet with modality dropout, the baseline of Table 5 for dense tasks.

SF-MD on the network of Seichter et al., ICRA 2021: one mask for each sample hides its streams' maps
at all five fusions. The same as ``sf-md`` with ``--method.network.family esanet``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from dmrnet.methods.sf_md import SFMDSettings
from dmrnet.nn.networks.network import Family, Network


@dataclass(frozen=True)
class ESANet(Network):
    """A network whose family is esanet by default."""

    family: Family = "esanet"


@dataclass(frozen=True)
class ESANetMDSettings(SFMDSettings):
    """Settings of ``esanet-md``: those of ``sf-md``.

    Attributes:
        network: Encoders, fusion and trunk; the family is esanet by default.
    """

    name: ClassVar[str] = "esanet-md"
    summary: ClassVar[str] = "modality dropout on ESANet, cross-entropy of every pixel"
    needs_classes: ClassVar[bool] = True

    network: Network = field(default_factory=ESANet)
