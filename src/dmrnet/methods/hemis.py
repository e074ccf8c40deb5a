"""HeMIS: the mean and variance over the modalities that are there (Havaei et al., MICCAI 2016).

Encoders as in SF-MD; then, whatever is shown, the first two moments of its features, side by side:

``m = 1/K sum delta_v f_v``,  ``s^2 = 1/K sum delta_v (f_v - m)^2``  (0 where K = 1)

and the trunk on 2C channels, for any V. Cross-entropy only. With one modality m = f and s^2 = 0.

Departures: the paper divides by K - 1 (`spread sample`, recipe ``paper``). The released adaptation
of this comparison (``released``) sums the deviations of hidden modalities as well, and means to set
the variance of one modality to 0 but never does. The paper shows everything in its first epochs:
that is ``--drop-after``. All modalities' maps must have one number of channels. For every pixel it
is ours: moments stand in for ESANet's sums at its five fusions, or for the concatenation at each
level of the generic network.
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
        spread: What deviations are divided by: population (how many are shown), sample (one less)
            or released (hidden modalities' deviations are summed as well).
    """

    name: ClassVar[str] = "hemis"
    summary: ClassVar[str] = "mean and variance over the modalities shown (Havaei et al. 2016)"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "paper": {"encodes": "present", "spread": "sample"},
        "released": {"encodes": "present", "spread": "released"},
    }

    spread: Literal["population", "sample", "released"] = "population"

    def parts(self, task: Task) -> NetworkParts:
        """Return the family's network with moments between encoders and trunk."""
        from dmrnet.nn.networks.custom_fusion import build_mixed_network
        from dmrnet.nn.systems.hemis import Moments

        moments = Moments(self.spread)
        if self.network.family == "generic" and task.dense:
            return self.pixels(task)
        if self.network.family != "esanet":
            return build_mixed_network(
                self.network, task, self.name, lambda _, channels: (moments, 2 * channels)
            )
        # Torchvision is imported only by those who ask for a network made of its blocks.
        from dmrnet.nn.systems.hemis_esanet import MomentsESANetFusion

        parts = self.network.build(task)
        main = self.network.main or task.modalities[0]
        layout = self.network.layout or "r34-nbt1d"
        fusion = MomentsESANetFusion(task.modalities, main, layout, self.network.stem, self.spread)
        return replace(parts, fusion=fusion)

    def pixels(self, task: Task) -> NetworkParts:
        """Return the generic network for every pixel, with moments at each level."""
        from dmrnet.nn.networks.level_fusion import LevelFusion
        from dmrnet.nn.networks.levels import levels_of
        from dmrnet.nn.networks.parts import NetworkParts
        from dmrnet.nn.systems.hemis import LevelMoments

        levels = levels_of(self.network, task)
        after = (*levels.skip_widths, None)
        meets = [
            LevelMoments(self.spread, c, wanted)
            for c, wanted in zip(levels.widths, after, strict=True)
        ]
        fusion = LevelFusion(task.modalities, levels, meets)
        return NetworkParts(levels.streams, fusion, levels.width, levels.build_decoder())
