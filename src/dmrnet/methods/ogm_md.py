"""OGM-MD: encoders, masked concatenation, one linear layer (Table 2's baseline), no trunk.

The audio-visual network of OGM-GE (Peng et al., CVPR 2022) with modality dropout. As the DMRNet
paper ran it no gradient is modulated; that is the default here, and ``--method.modulation ogm`` or
``ogm-ge`` turns on what the network was made for: since the predictor is linear on concatenated
features, its logits part into one summand a modality, and the encoder of the modality that predicts
best by itself gets smaller gradients,

``k_v = 1 - tanh(alpha rho_v)`` where ``rho_v = s_v / mean_{u != v} s_u > 1``, else 1, with
``s_v = mean_i softmax(W_v g_v(x_i) + b / V)[y_i]`` over the samples that show v.

Departures: any V (the source has two, for which rho is the same); samples count for what they show;
at a tie nothing is modulated (the released code then scales audio), and every weight is, where the
released code takes convolutions alone: both as there in ``released``. On the generic and the surf
network it is their encoders with the linear layer directly behind the concatenation. With one
modality there is nothing to balance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.sf_md import SFMDSettings
from dmrnet.nn.networks.network import Network, feature_shapes

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.methods.modules.ogm_md import OGMMD
    from dmrnet.modalities import Task
    from dmrnet.nn.networks.parts import NetworkParts


@dataclass(frozen=True)
class OGMMDSettings(SFMDSettings):
    """Settings of ``ogm-md``.

    Attributes:
        modulation: Of the encoders' gradients: none, ogm (scaled) or ogm-ge (scaled, with noise).
        modulation_alpha: Its strength.
        modulation_last: The last epoch, counted from 0, in which gradients are modulated.
        modulated: Whose gradients: weights (of two or more dimensions) or convolutions (of four,
            as released).
        first_leads: At a tie the first modality counts as leading, as released.
    """

    name: ClassVar[str] = "ogm-md"
    summary: ClassVar[str] = "concatenation and a linear layer; OGM-GE by --method.modulation"

    modulation: Literal["none", "ogm", "ogm-ge"] = "none"
    modulation_alpha: float = 0.8
    modulation_last: int | None = 50
    modulated: Literal["weights", "convolutions"] = "weights"
    first_leads: bool = False

    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "paper": {"encodes": "present"},
        "released": {"encodes": "present", "modulated": "convolutions", "first_leads": True},
    }

    @property
    def kind(self) -> type[OGMMD]:
        """The class that the parts are put into."""
        from dmrnet.methods.modules.ogm_md import OGMMD

        return OGMMD

    def parts(self, task: Task) -> NetworkParts:
        """Return the family's encoders and a linear layer on their concatenation."""
        from dmrnet.nn.networks.parts import check_dense

        check_dense(task, self.name, dense=False)
        return without_trunk(self.network, task)

    def build(self, task: Task) -> Method:
        """Put the parts together."""
        method = super().build(task)
        assert isinstance(method, self.kind)
        if self.modulation != "none":
            from dmrnet.objectives.modulation import Modulation

            method.modulation = Modulation(
                self.modulation,
                self.modulation_alpha,
                self.modulation_last,
                self.modulated,
                self.first_leads,
            )
        return method


def without_trunk(network: Network, task: Task) -> NetworkParts:
    """Return a family's encoders, their concatenation, and a linear layer on it."""
    if network.family == "ogm":
        return network.build(task)
    from torch import nn

    from dmrnet.nn.fusion import ConcatFusion
    from dmrnet.nn.networks.parts import NetworkParts
    from dmrnet.nn.predictor import PooledLinear

    encoders = network.build(task).encoders
    shapes = feature_shapes(task, encoders)
    channels = sum(shape[0] for shape in shapes.values())
    fusion = ConcatFusion(shapes, nn.Identity(), network.grid)
    return NetworkParts(encoders, fusion, channels, PooledLinear(channels, len(task.classes)))
