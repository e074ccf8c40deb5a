"""full: the shared fusion without modality dropout, trained on everything that is there.

The same network as SF-MD; MMANet's teacher, and the other end of the scale: what dropout costs on
the full combination, and what its absence costs on the others. The sampler's masks are not read: a
sample shows all that it has. On incomplete data these are different combinations for different
samples; on complete data always the full one, so that no other is ever trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from dmrnet.methods.base import Encodes, Method
from dmrnet.methods.settings import MethodSettings
from dmrnet.modalities import Batch, Task
from dmrnet.nn import Point


class Undropped(Method):
    """A method that shows, in training, all that a sample has."""

    def shown(self, batch: Batch) -> Tensor:
        """Return what is present, bool ``(B, V)``."""
        return batch.present


def check_undropped(name: str, encodes: Encodes) -> None:
    """Refuse to encode less than is shown.

    Raises:
        ValueError: If `encodes` is not present.
    """
    if encodes != "present":
        raise ValueError(
            f"{name} shows all that is present, but encodes is {encodes!r}; set encodes to present"
        )


@dataclass(frozen=True)
class FullSettings(MethodSettings):
    """Settings of ``full``: none of its own."""

    name: ClassVar[str] = "full"
    summary: ClassVar[str] = "sf-md's network without dropout: every sample shows all it has"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {"best": {}, "paper": {}, "released": {}}

    encodes: Encodes = "present"

    def build(self, task: Task) -> Method:
        """Put the parts together."""
        check_undropped(self.name, self.encodes)
        parts = self.network.build(task)
        return Undropped(
            task,
            encoders=parts.encoders,
            fusion=parts.fusion,
            predictor=parts.predictor,
            representation=Point(parts.channels),
            encodes=self.encodes,
            smoothing=self.smoothing,
        )
