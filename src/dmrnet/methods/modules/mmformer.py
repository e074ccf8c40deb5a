"""mmFormer's method: its encoders return tokens and maps."""

from __future__ import annotations

from dmrnet.methods.base import Features, Method
from dmrnet.methods.probes import deepest_maps, modality_maps
from dmrnet.modalities import Inputs, Where
from dmrnet.objectives.systems.each import EachShown


class MMFormer(Method):
    """A method whose encoders may return tokens and a map, side by side over channels."""


@modality_maps.register
def _(method: MMFormer, inputs: Inputs, where: Where, feats: Inputs | None = None) -> Features:
    """Return the encoders' maps without the tokens: what the regulariser reads."""
    feats = method.encode(inputs, where) if feats is None else feats
    maps = deepest_maps(method, feats)
    for term in method.objective.terms:
        if isinstance(term, EachShown):
            maps = {name: both[:, -term.channels :] for name, both in maps.items()}
    return maps
