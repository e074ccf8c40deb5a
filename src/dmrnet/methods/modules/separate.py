"""separate's method: next to the experts of single modalities, networks of combinations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor, nn

from dmrnet.methods.base import Features
from dmrnet.methods.modules.unimodal import Unimodal
from dmrnet.modalities import Inputs, Where, index_of
from dmrnet.nn.systems.experts.separate import CombinationNetwork, OwnNetwork


class Separate(Unimodal):
    """A method with a network for each combination, each with a loss of its own."""

    fusion: OwnNetwork

    def encode(self, inputs: Inputs, where: Where) -> Features:
        """Return the logits of every network, by the name of its combination."""
        feats = super().encode(inputs, where)
        for network in self.fusion.networks:
            assert isinstance(network, CombinationNetwork)
            feats |= network.encode(inputs, where)
        return feats

    def learners(self, mask: Tensor) -> Iterable[tuple[str, Tensor]]:
        """Return the name of each network, and the samples ``(B,)`` that show all it reads."""
        index = index_of(mask)
        return [(name, index & j == j) for j, name in self.fusion.combinations()]

    def clip_groups(self) -> Sequence[nn.Module]:
        """Return the networks, so that each is trained as it would be by itself."""
        return (*self.encoders, *self.fusion.networks)
