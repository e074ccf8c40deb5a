"""full: the shared fusion without modality dropout.

SF-MD's network, trained on all modalities that a sample has. It is MMANet's teacher, and shows what
dropout costs on the full combination and what its absence costs on the others. The sampler's masks
are not used: on complete data only the full combination is trained, on incomplete data whatever a
sample has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.methods.settings import MethodSettings

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.modalities import Task


def check_undropped(name: str, encodes: str) -> None:
    """Check that a method without dropout encodes all present modalities.

    Raises:
        ValueError: If `encodes` is not present.
    """
    if encodes != "present":
        raise ValueError(
            f"expected encodes as present, since {name} shows all that is present, got {encodes!r}"
        )


@dataclass(frozen=True)
class FullSettings(MethodSettings):
    """Settings of ``full``: none of its own."""

    name: ClassVar[str] = "full"
    summary: ClassVar[str] = "sf-md's network without dropout: every sample shows all it has"
    recipes: ClassVar[dict[str, dict[str, Any]]] = {"best": {}, "paper": {}, "released": {}}

    encodes: Literal["mask", "present"] = "present"

    @property
    def method_class(self) -> type[Method]:
        """Class of the method."""
        from dmrnet.methods.modules.undropped import Undropped

        return Undropped

    def build(self, task: Task) -> Method:
        """Return the method for a task."""
        check_undropped(self.name, self.encodes)
        return self.assemble(task, self.network.build(task))
