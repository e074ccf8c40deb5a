"""SF-MD: shared fusion with modality dropout, the baseline of Tables 1, 3 and 4.

Encoders, masked concatenation, trunk, pooled linear classifier, cross-entropy; nothing else. On
CASIA-SURF the benchmark network of Zhang et al., CVPR 2019, with the indicator delta behind each
encoder (Sec. 4.1 of the paper).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from dmrnet.methods.settings import MethodSettings

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.modalities import Task
    from dmrnet.nn.networks.parts import NetworkParts
    from dmrnet.nn.representation import RepresentationHead
    from dmrnet.objectives.term import Term


@dataclass(frozen=True)
class SFMDSettings(MethodSettings):
    """Settings of ``sf-md``, which every method behind random masks shares.

    Attributes:
        mutual: Weight of a mutual divergence between the predictions under two random masks of
            each sample (needs encodes present); 0 for two masks without it, by default one mask.
        temperature: Of that divergence.
    """

    name: ClassVar[str] = "sf-md"
    summary: ClassVar[str] = "modality dropout on a shared fusion; a point, cross-entropy only"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {
        "best": {},
        "paper": {"encodes": "present"},
        "released": {"encodes": "present"},
    }

    mutual: float | None = None
    temperature: float = 2.0

    @property
    def kind(self) -> type[Method]:
        """The class that the parts are put into."""
        from dmrnet.methods.base import Method

        return Method

    def parts(self, task: Task) -> NetworkParts:
        """Return encoders, fusion and predictor: the family's own."""
        return self.network.build(task)

    def representation(self, channels: int) -> RepresentationHead:
        """Return what lies between fusion and predictor, for maps of so many channels."""
        from dmrnet.nn.representation import Point

        return Point(channels)

    def terms(self, task: Task) -> Sequence[Term]:
        """Return the terms beside the task loss."""
        return ()

    def two_views(self) -> Sequence[Term]:
        """Return the term between two masks of a sample, if it is asked for."""
        from dmrnet.objectives.mutual import Mutual

        return () if self.mutual is None else (Mutual(self.mutual, self.temperature),)

    def build(self, task: Task) -> Method:
        """Put the parts together: the same encoders and fusion whatever differs behind them."""
        parts = self.parts(task)
        return self.kind(
            task,
            encoders=parts.encoders,
            fusion=parts.fusion,
            predictor=parts.predictor,
            representation=self.representation(parts.channels),
            terms=(*self.terms(task), *self.two_views()),
            encodes=self.encodes,
            smoothing=self.smoothing,
        )
