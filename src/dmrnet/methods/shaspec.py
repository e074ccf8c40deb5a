"""ShaSpec: shared and specific features of each modality (Wang et al., CVPR 2023).

Each modality has specific features s_v from an encoder of its own and shared features r_v from an
encoder that all share. The trunk reads, side by side,

``f_v = P [r_v, s_v] + r_v``.

For a missing modality f_v is the mean of the visible modalities' shared features itself. Added to
the cross-entropy are ``alpha`` times the distance between shared features, and ``beta`` times
the cross-entropy of a classifier that predicts the modality from its specific features. Both cover
the present modalities, so that samples need not be complete.

Modalities of one shape share a whole encoder, as in the source. Otherwise each has an encoder of
its own and they share a block after it, since no encoder reads both a vector and an image.

Departures: the recipe ``released`` is the adaptation of this comparison: the residual is the
specific features, each modality has a projection of its own, the replacement of a missing one is
projected too (`project_missing`), the distance is the mean squared one between neighbours, and its
errors are kept (`impute released`): a missing third modality is filled from itself, and others from
features that were filled before. P is a 3x3x3 convolution with standardised weights in the source:
here 3x3 in ``paper`` and ``released-seg``, else 1x1 (`project_kernel`), with plain weights. The
source draws one mask for a batch, uniformly over the number of modalities; here each sample has its
own, as for every method.

In dense tasks, on the generic network or on ESANet without its interleaving, each modality has a
stream of its own and all share another. The deepest maps are composed as above; the decoder's skips
are shared maps only, as in the source, and replaced where missing as the deepest ones are. The
source's code (``released-seg``) replaces the deepest map by that of the first visible modality (in
training, where it draws their order, of any), and skips by those of a zero image (`skips blank`; in
training one zero image of each modality goes through the shared stream with the batch). It aligns
neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.sf_md import SFMDSettings
from dmrnet.nn.networks.network import feature_shapes

if TYPE_CHECKING:
    from torch import nn

    from dmrnet.methods.base import Method
    from dmrnet.methods.modules.shaspec import ShaSpec
    from dmrnet.modalities import Task
    from dmrnet.nn.systems.shaspec import Impute, Residual
    from dmrnet.objectives.term import Term


@dataclass(frozen=True)
class ShaSpecSettings(SFMDSettings):
    """Settings of ``shaspec``.

    Attributes:
        align_weight: Weight of the distance between shared features.
        tell_weight: Weight of predicting the modality from its specific features.
        residual: Features that the projection is added to: shared or specific.
        impute: Replacement of a missing shared feature: mean (of the visible ones), first (of
            them) or released (with the errors of the released code).
        pairs: Pairs of modalities whose shared features are aligned: all, cyclic (neighbours, with
            the last and the first) or chain (neighbours only).
        align: Distance between shared features: l1 or mse.
        one_projection: Whether all modalities share one projection, instead of one each.
        project_kernel: Kernel size of the projection: 1, or 3 as in the source.
        project_missing: Whether a missing modality's replacement is projected, with specific
            features of 0, as in the released adaptation; by default it is used as it is.
        skips: Replacement of a missing modality's skips in dense tasks: filled (as its deepest
            map) or blank (those of a zero image).
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
            "project_missing": True,
        },
        "released-seg": {
            "impute": "first",
            "pairs": "cyclic",
            "project_kernel": 3,
            "skips": "blank",
        },
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
    project_missing: bool = False
    skips: Literal["filled", "blank"] = "filled"

    @property
    def fusion_options(self) -> tuple[Residual, Impute, bool, int, bool]:
        """Last arguments of both fusions."""
        same = (self.one_projection, self.project_kernel, self.project_missing)
        return (self.residual, self.impute, *same)

    @property
    def version(self) -> int:
        """Number that is raised when the same weights begin to predict something else."""
        return 2

    @property
    def method_class(self) -> type[ShaSpec]:
        """Class of the method."""
        from dmrnet.methods.modules.shaspec import ShaSpec

        return ShaSpec

    def build(self, task: Task) -> Method:
        """Return the method for a task."""
        from dmrnet.nn.networks.custom_fusion import common_width
        from dmrnet.nn.networks.parts import NetworkParts
        from dmrnet.nn.systems.shaspec import SharedEncoder, SharedSpecificFusion, shared_name

        if task.dense or self.network.family == "esanet":
            return self.build_dense(task)
        encoders = self.network.build(task).encoders
        shapes = feature_shapes(task, encoders)
        channels = common_width(shapes, self.name)
        grid = self.network.fusion_grid(shapes)
        shared = SharedEncoder(self.network, task, shapes, grid)
        rest = self.network.build_tail(task, channels * len(shapes), grid)
        fusion = SharedSpecificFusion(
            task.modalities, channels, grid, rest.trunk, *self.fusion_options
        )
        parts = NetworkParts(encoders, fusion, rest.channels, rest.predictor)
        names = [shared_name(name) for name in task.modalities]
        terms = self.shared_terms(task, names, task.modalities, channels)
        return with_shared(self.assemble(task, parts, terms), shared)

    def build_dense(self, task: Task) -> Method:
        """Return the method for a dense task."""
        from dmrnet.nn.encoders.multi_level import feature_name
        from dmrnet.nn.networks.levels import levels_of
        from dmrnet.nn.networks.parts import NetworkParts
        from dmrnet.nn.systems.shaspec import shared_name
        from dmrnet.nn.systems.shaspec_levels import SharedLevelFusion, SharedStreams

        levels = levels_of(self.network, task)
        fusion = SharedLevelFusion(task.modalities, levels, *self.fusion_options, self.skips)
        parts = NetworkParts(levels.streams, fusion, levels.width, levels.build_decoder())
        specific = [feature_name(name, levels.deepest) for name in task.modalities]
        shared = [feature_name(shared_name(name), levels.deepest) for name in task.modalities]
        terms = self.shared_terms(task, shared, specific, levels.widths[-1])
        method = self.assemble(task, parts, terms)
        streams = SharedStreams(task, levels_of(self.network, task), self.skips == "blank")
        return with_shared(method, streams)

    def shared_terms(
        self, task: Task, shared: Sequence[str], specific: Sequence[str], channels: int
    ) -> Sequence[Term]:
        """Return the terms on shared and specific features.

        Args:
            task: Task of the method.
            shared: Names of the modalities' shared features.
            specific: Names of their specific features.
            channels: Number of channels of the specific features.
        """
        from dmrnet.objectives.systems.shared import Align, TellModality

        align = Align(self.align_weight, shared, self.pairs, self.align)
        tell = TellModality(self.tell_weight, specific, channels)
        return (align, tell, *self.mutual_terms(task))


def with_shared(method: Method, shared: nn.Module) -> Method:
    """Give a method its shared encoder."""
    from dmrnet.methods.modules.shaspec import ShaSpec
    from dmrnet.nn.layers.norm import safe_batch_norm

    assert isinstance(method, ShaSpec)
    method.shared = safe_batch_norm(shared)
    return method
