"""mmFormer's method: encoders may give tokens in front of their maps."""

from __future__ import annotations

from dmrnet.methods.base import Features, Method
from dmrnet.modalities import Inputs, Where
from dmrnet.objectives.each import EachShown


class MMFormer(Method):
    """A method whose encoders may give tokens in front of their maps."""

    def maps(self, inputs: Inputs, where: Where, feats: Inputs | None = None) -> Features:
        """Return the encoders' maps alone: what the regulariser reads."""
        maps = super().maps(inputs, where, feats)
        for term in self.objective.terms:
            if isinstance(term, EachShown):
                maps = {name: both[:, -term.channels :] for name, both in maps.items()}
        return maps
