"""head-only: DMR's mean head, not sampled and without the distribution term.

The control of every ablation: much of what a head gains does not come from sampling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dmrnet.methods.sf_md import SFMDSettings

if TYPE_CHECKING:
    from dmrnet.nn.representation import RepresentationHead


@dataclass(frozen=True)
class HeadOnlySettings(SFMDSettings):
    """Settings of ``head-only``: none of its own."""

    name: ClassVar[str] = "head-only"
    summary: ClassVar[str] = "sf-md with DMR's mean head, unsampled: the control"

    def representation(self, channels: int) -> RepresentationHead:
        """Return the mean head."""
        from dmrnet.nn.representation import MeanHead

        return MeanHead(channels)
