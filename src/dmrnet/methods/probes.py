"""Internals of a method for analyses: maps of single modalities, embeddings, class vectors.

A method whose features are not plain maps registers a variant of its own: see
`functools.singledispatch`.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from torch import Tensor

from dmrnet.methods.base import Features, Method
from dmrnet.modalities import Inputs, Where
from dmrnet.nn.encoders.multi_level import feature_name
from dmrnet.nn.predictor import PooledLinear


@singledispatch
def modality_maps(
    method: Method, inputs: Inputs, where: Where, feats: Inputs | None = None
) -> Features:
    """Return one map for each modality, made from that modality alone (F_v of Sec. 4.3).

    It is the encoder's map, which no mask changes; of encoders with several levels, the map of the
    deepest level that all modalities have.

    Args:
        method: Method in evaluation mode.
        inputs: Tensors of shape ``(B, ...)``, one for each modality.
        where: Int64 rows to encode of each modality; None for every row.
        feats: What `Method.encode` returned for them, if it is known.

    Returns:
        Maps ``(B, C, H, W)`` by modality; zeros in rows that are not encoded.
    """
    return deepest_maps(method, method.encode(inputs, where) if feats is None else feats)


def deepest_maps(method: Method, feats: Inputs) -> Features:
    """Return each modality's map, or that of the deepest level that all modalities have."""
    names = method.modalities
    if all(name in feats for name in names):
        return {name: feats[name] for name in names}
    # Keys such as ``rgb.3``; ShaSpec has others, such as ``rgb.shared.3``.
    levels = [
        {int(k) for key in feats if (k := key.removeprefix(f"{name}.")).isdigit()} for name in names
    ]
    deepest = max(set.intersection(*levels))
    return {name: feats[feature_name(name, deepest)] for name in names}


@singledispatch
def embedding(method: Method, feats: Any, mask: Tensor) -> Tensor:  # noqa: ANN401
    """Return the embedding that inference predicts from (Eq. 8): the pooled mean g(mu).

    Args:
        method: Method in evaluation mode.
        feats: What `Method.encode` returned, or `CachedFeatures.select` for this mask.
        mask: Bool tensor of shape ``(B, V)``.

    Returns:
        Tensor of shape ``(B, C)``.
    """
    return method.represent(method.fuse(feats, mask).map).mu.mean((2, 3))


@singledispatch
def class_vectors(method: Method) -> Tensor | None:
    """Return W of a linear classifier, ``(M, C)`` (Eq. 3); None for another predictor."""
    if not isinstance(method.predictor, PooledLinear):
        return None
    return method.predictor.linear.weight.detach()
