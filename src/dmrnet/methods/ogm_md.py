"""OGM-MD: encoders, masked concatenation and one linear layer, without a trunk (Table 2).

The audio-visual network of OGM-GE (Peng et al., CVPR 2022) with modality dropout. As in the DMRNet
paper no gradient is modulated by default; ``--method.modulation ogm`` or ``ogm-ge`` turns
modulation on. Since the predictor is linear on concatenated features, its logits split into one
summand for each modality, and the encoder of the modality that predicts best by itself gets smaller
gradients,

``k_v = 1 - tanh(alpha rho_v)`` where ``rho_v = s_v / mean_{u != v} s_u > 1``, else 1, with
``s_v = mean_i softmax(W_v g_v(x_i) + b / V)[y_i]`` over the samples that show v.

Departures: any V (for the source's two modalities rho is the same); a sample counts for its visible
modalities; at a tie nothing is modulated (the released code scales audio); every weight is
modulated (in the released code convolutions only). ``released`` does both as the released code. On
the generic and the surf network the linear layer directly follows the concatenation of their
encoders. With one modality nothing is modulated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.sf_md import SFMDSettings
from dmrnet.nn.networks.network import feature_shapes

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.methods.modules.ogm_md import OGMMD
    from dmrnet.modalities import Task
    from dmrnet.nn.networks.parts import NetworkParts


@dataclass(frozen=True)
class OGMMDSettings(SFMDSettings):
    """Settings of ``ogm-md``.

    Attributes:
        modulation: Modulation of the encoders' gradients: none, ogm (scaled) or ogm-ge (scaled,
            with noise).
        modulation_alpha: Strength of the modulation.
        modulation_last: Last epoch, counted from 0, with modulation.
        modulated: Parameters that are modulated: weights (two or more dimensions) or convolutions
            (four dimensions, as released).
        first_leads: Whether the first modality counts as leading at a tie, as released.
    """

    name: ClassVar[str] = "ogm-md"
    summary: ClassVar[str] = (
        "concatenation and a linear layer; OGM-GE by modulation (--method.modulation)"
    )
    needs_classes: ClassVar[bool] = True

    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "paper": {"encodes": "present"},
        "released": {"encodes": "present", "modulated": "convolutions", "first_leads": True},
    }

    modulation: Literal["none", "ogm", "ogm-ge"] = "none"
    modulation_alpha: float = 0.8
    modulation_last: int | None = 50
    modulated: Literal["weights", "convolutions"] = "weights"
    first_leads: bool = False

    @property
    def method_class(self) -> type[OGMMD]:
        """Class of the method."""
        from dmrnet.methods.modules.ogm_md import OGMMD

        return OGMMD

    def parts(self, task: Task) -> NetworkParts:
        """Return the network's encoders, their concatenation, and a linear layer on it."""
        from torch import nn

        from dmrnet.nn.concat_fusion import ConcatFusion
        from dmrnet.nn.networks.parts import NetworkParts, check_dense
        from dmrnet.nn.predictor import PooledLinear

        check_dense(task, self.name, dense=False)
        parts = self.network.build(task)
        if self.network.family == "ogm":
            return parts
        shapes = feature_shapes(task, parts.encoders)
        channels = sum(shape[0] for shape in shapes.values())
        fusion = ConcatFusion(shapes, nn.Identity(), self.network.grid)
        predictor = PooledLinear(channels, len(task.classes))
        return NetworkParts(parts.encoders, fusion, channels, predictor)

    def build(self, task: Task) -> Method:
        """Return the method for a task."""
        method = super().build(task)
        assert isinstance(method, self.method_class)
        if self.modulation != "none":
            from dmrnet.objectives.systems.modulation import Modulation

            method.modulation = Modulation(
                self.modulation,
                self.modulation_alpha,
                self.modulation_last,
                self.modulated,
                self.first_leads,
            )
        return method
