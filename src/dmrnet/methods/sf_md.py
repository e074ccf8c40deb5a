"""SF-MD: shared fusion with modality dropout, the baseline of Tables 1, 3 and 4.

Encoders, masked concatenation, trunk, pooled linear classifier, cross-entropy. On CASIA-SURF this
is the benchmark network of Zhang et al., CVPR 2019, with the indicator delta after each encoder
(Sec. 4.1 of the paper).
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
    from dmrnet.objectives.term import Term


@dataclass(frozen=True)
class SFMDSettings(MethodSettings):
    """Settings of ``sf-md``, which every method with random masks shares.

    Attributes:
        mutual: Weight of a mutual divergence between the predictions under two random masks of
            each sample (requires encodes present); 0 for two masks without the divergence. By
            default there is one mask.
        temperature: Temperature of that divergence.
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

    def build(self, task: Task) -> Method:
        """Return the method for a task."""
        parts = self.parts(task)
        # Made before the terms, since both draw initial values from one generator.
        head = self.representation(parts.channels)
        return self.assemble(task, parts, (*self.terms(task), *self.mutual_terms(task)), head)

    def parts(self, task: Task) -> NetworkParts:
        """Return encoders, fusion and predictor; by default the network's own."""
        return self.network.build(task)

    def terms(self, task: Task) -> Sequence[Term]:
        """Return the terms of the loss besides the task loss."""
        return ()

    def mutual_terms(self, task: Task) -> Sequence[Term]:
        """Return the mutual divergence, if it is set."""
        from dmrnet.objectives.mutual import Mutual
        from dmrnet.targets import target_of

        if self.mutual is None:
            return ()
        return (Mutual(self.mutual, self.temperature, target_of(task)),)
