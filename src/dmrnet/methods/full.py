"""full: the shared fusion without modality dropout, trained on everything that is there.

The same network as SF-MD; MMANet's teacher, and the other end of the scale: what dropout costs on
the full combination, and what its absence costs on the others. The sampler's masks are not read: a
sample shows all that it has. On incomplete data these are different combinations for different
samples; on complete data always the full one, so that no other is ever trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.settings import MethodSettings

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.modalities import Task


def check_undropped(name: str, encodes: str) -> None:
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

    encodes: Literal["mask", "present"] = "present"

    def build(self, task: Task) -> Method:
        """Put the parts together."""
        from dmrnet.methods.modules.undropped import Undropped
        from dmrnet.nn.representation import Point

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
