"""Parameters that weight decay acts on, by what they are."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from torch.nn.modules.conv import _ConvNd

PRODUCTS = (nn.Linear, nn.Bilinear, _ConvNd, nn.MultiheadAttention, nn.RNNBase)
"""Layers of torch (and their subclasses) that multiply their input by parameters."""


def decayed_parameters(module: nn.Module) -> Iterator[nn.Parameter]:
    """Yield the trainable weights of linear layers and convolutions, each once.

    The number of dimensions does not decide: biases, norms, positions and tokens are never decayed,
    whatever their shape. A module that multiplies its input by parameters of its own names them in
    a class attribute ``decayed``, a tuple of names.

    >>> layer = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm((4, 2)))
    >>> [tuple(p.shape) for p in decayed_parameters(layer)]
    [(2, 3)]
    """
    seen: set[int] = set()
    for part in module.modules():
        names: tuple[str, ...] = getattr(type(part), "decayed", ())
        for name, parameter in part.named_parameters(recurse=False):
            weight = name in names or (isinstance(part, PRODUCTS) and "weight" in name)
            if weight and parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                yield parameter
