"""HeMIS: mean and variance over the visible modalities (Havaei et al., MICCAI 2016).

Encoders as in SF-MD, then the first two moments of the K visible modalities' features,

``m = 1/K sum delta_v f_v``,  ``s^2 = 1/K sum delta_v (f_v - m)^2``  (0 if K = 1)

side by side, and a trunk on 2C channels for any V. Cross-entropy only. All modalities' maps must
have the same number of channels.

Departures: the paper divides by K - 1 (`spread sample`, recipe ``paper``). The released adaptation
of this comparison (``released``) also sums the deviations of hidden modalities, which are zeros,
unless a sample shows a single modality, whose variance is 0 there too. The paper shows all
modalities in its first epochs: that is ``--drop-after``. The dense form is ours: moments take the
place of ESANet's sums at its five fusions, or of the concatenation at each level of the generic
network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.sf_md import SFMDSettings

if TYPE_CHECKING:
    from dmrnet.modalities import Task
    from dmrnet.nn.networks.parts import NetworkParts


@dataclass(frozen=True)
class HeMISSettings(SFMDSettings):
    """Settings of ``hemis``.

    Attributes:
        spread: Divisor of the squared deviations: population (number of visible modalities),
            sample (one less) or released (as population, with the deviations of hidden modalities).
    """

    name: ClassVar[str] = "hemis"
    summary: ClassVar[str] = "mean and variance over the modalities shown (Havaei et al. 2016)"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "paper": {"encodes": "present", "spread": "sample"},
        "released": {"encodes": "present", "spread": "released"},
    }

    spread: Literal["population", "sample", "released"] = "population"

    @property
    def version(self) -> int:
        """Number that is raised when the same weights begin to predict something else."""
        return 2 if self.spread == "released" else 1

    def parts(self, task: Task) -> NetworkParts:
        """Return the network with moments between encoders and trunk."""
        from dmrnet.nn.networks.custom_fusion import build_mixed_network
        from dmrnet.nn.systems.hemis import Moments

        moments = Moments(self.spread)
        if self.network.family == "generic" and task.dense:
            return self.dense_parts(task)
        if self.network.family != "esanet":
            return build_mixed_network(
                self.network, task, self.name, lambda _, channels: (moments, 2 * channels)
            )
        # Imports torchvision.
        from dmrnet.nn.systems.hemis_esanet import MomentsESANetFusion

        parts = self.network.build(task)
        main = self.network.main or task.modalities[0]
        layout = self.network.layout or "r34-nbt1d"
        fusion = MomentsESANetFusion(task.modalities, main, layout, self.network.stem, self.spread)
        return replace(parts, fusion=fusion)

    def dense_parts(self, task: Task) -> NetworkParts:
        """Return the generic dense network with moments at each level."""
        from dmrnet.nn.networks.level_fusion import LevelFusion
        from dmrnet.nn.networks.levels import levels_of
        from dmrnet.nn.networks.parts import NetworkParts
        from dmrnet.nn.systems.hemis import LevelMoments

        levels = levels_of(self.network, task)
        mixings = [
            LevelMoments(self.spread, before, after, levels.axes)
            for before, after in zip(levels.widths, (*levels.skip_widths, None), strict=True)
        ]
        fusion = LevelFusion(task.modalities, levels, mixings)
        return NetworkParts(levels.streams, fusion, levels.width, levels.build_decoder())
