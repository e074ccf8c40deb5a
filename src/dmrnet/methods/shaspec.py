"""ShaSpec: features that modalities share, and features of their own (Wang et al., CVPR 2023).

A specific encoder for each modality, s_v, and one that all share, r_v; in one map

``f_v = P [r_v, s_v] + r_v``,

side by side into the trunk. Of a missing modality s_v = 0 and r_v is the mean of those that are
there. Beside the cross-entropy: ``alpha`` times the distance between shared features, and ``beta``
times the cross-entropy of telling the modality from its specific features; both over what a sample
has, so that incomplete data will do. With one modality there is no distance, and nothing to tell.

Modalities of one shape share a whole encoder, as in the source; otherwise what is shared is a block
behind encoders of their own, since no encoder reads both a vector and an image.

Departures: the recipe ``released`` is the adaptation of this comparison: residual on the specific
features, a projection each, mean squared distance along the chain of modalities, and its slips
(`impute released`): a missing third modality is filled from itself, and others from features
already filled. The source's convolution P is 3x3x3: 3x3 in ``paper`` and ``released-seg``, 1x1
otherwise (`project_kernel`). Its mask is drawn evenly over the number of modalities for a whole
batch; here, as for every method, by sample.

For every pixel, on the generic network or on ESANet without its interleaving: a stream each and one
that all share; what is composed is the deepest maps, and the decoder's skips are of shared maps
alone, missing ones filled, as in the source. Its code (``released-seg``) fills with the first
modality shown and draws each shared feature to the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.sf_md import SFMDSettings
from dmrnet.nn.networks.network import feature_shapes

if TYPE_CHECKING:
    from dmrnet.methods.modules.shaspec import ShaSpec
    from dmrnet.modalities import Task


@dataclass(frozen=True)
class ShaSpecSettings(SFMDSettings):
    """Settings of ``shaspec``.

    Attributes:
        align_weight: Of the distance between shared features.
        tell_weight: Of telling the modality from its specific features.
        residual: What the projection is added to: shared or specific features.
        impute: A missing shared feature is the mean of those shown, the first of them, or as
            released, with its slips.
        pairs: Whose shared features are drawn together: all, cyclic or chain.
        align: By l1 or mse.
        one_projection: The same for every modality, or one each.
        project_kernel: Of the projection's convolution: 1, or 3 as in the source.
    """

    name: ClassVar[str] = "shaspec"
    summary: ClassVar[str] = "shared and specific features of each modality (Wang et al. 2023)"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "paper": {"project_kernel": 3},
        "released": {
            "residual": "specific",
            "impute": "released",
            "pairs": "chain",
            "align": "mse",
            "one_projection": False,
        },
        "released-seg": {"impute": "first", "pairs": "cyclic", "project_kernel": 3},
    }

    encodes: Literal["mask", "present"] = "present"
    align_weight: float = 0.1
    tell_weight: float = 0.02
    residual: Literal["shared", "specific"] = "shared"
    impute: Literal["mean", "first", "released"] = "mean"
    pairs: Literal["all", "cyclic", "chain"] = "all"
    align: Literal["l1", "mse"] = "l1"
    one_projection: bool = True
    project_kernel: int = 1

    def build(self, task: Task) -> ShaSpec:
        """Put the parts together, with the shared encoder beside the specific ones."""
        from dmrnet.methods.modules.shaspec import ShaSpec
        from dmrnet.nn.layers.norm import safe_batch_norm
        from dmrnet.nn.networks.custom_fusion import common_width
        from dmrnet.nn.systems.shaspec import SharedEncoder, SharedSpecificFusion, shared_name
        from dmrnet.objectives.shared import Align, TellModality

        if task.dense or self.network.family == "esanet":
            return self.build_dense(task)
        encoders = self.network.build(task).encoders
        shapes = feature_shapes(task, encoders)
        channels = common_width(shapes, self.name)
        grid = self.network.fusion_grid(shapes)
        shared = SharedEncoder(self.network, task, shapes, grid)
        rest = self.network.build_tail(task, channels * len(shapes), grid)
        method = ShaSpec(
            task,
            encoders=encoders,
            fusion=SharedSpecificFusion(
                task.modalities,
                channels,
                grid,
                rest.trunk,
                self.residual,
                self.impute,
                self.one_projection,
                self.project_kernel,
            ),
            predictor=rest.predictor,
            representation=self.representation(rest.channels),
            terms=(
                Align(
                    self.align_weight,
                    [shared_name(name) for name in task.modalities],
                    self.pairs,
                    self.align,
                ),
                TellModality(self.tell_weight, task.modalities, channels),
                *self.two_views(),
            ),
            encodes=self.encodes,
            smoothing=self.smoothing,
        )
        method.shared = safe_batch_norm(shared)
        return method

    def build_dense(self, task: Task) -> ShaSpec:
        """Put the parts for every pixel together."""
        from dmrnet.methods.modules.shaspec import ShaSpec
        from dmrnet.nn.encoders.multi_level import feature_name
        from dmrnet.nn.layers.norm import safe_batch_norm
        from dmrnet.nn.networks.levels import levels_of
        from dmrnet.nn.systems.shaspec import shared_name
        from dmrnet.nn.systems.shaspec_levels import SharedLevelFusion, SharedStreams
        from dmrnet.objectives.shared import Align, TellModality

        levels = levels_of(self.network, task)
        deepest = [feature_name(name, levels.deepest) for name in task.modalities]
        shared = [feature_name(shared_name(name), levels.deepest) for name in task.modalities]
        method = ShaSpec(
            task,
            encoders=levels.streams,
            fusion=SharedLevelFusion(
                task.modalities,
                levels,
                self.residual,
                self.impute,
                self.one_projection,
                self.project_kernel,
            ),
            predictor=levels.build_decoder(),
            representation=self.representation(levels.width),
            terms=(
                Align(self.align_weight, shared, self.pairs, self.align),
                TellModality(self.tell_weight, deepest, levels.widths[-1]),
                *self.two_views(),
            ),
            encodes=self.encodes,
            smoothing=self.smoothing,
        )
        method.shared = safe_batch_norm(SharedStreams(task, levels_of(self.network, task)))
        return method
