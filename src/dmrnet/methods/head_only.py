"""head-only: the control of every ablation - DMR's mean head, never sampled, no distribution term.

Much of what a head gains is not the sampling; this is the row that says how much.
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
