"""Running released code: on a CPU, in float64, narrowed, with given masks and noise.

Released networks have the widths of their papers written into them. `narrowed` divides all widths
by `BY` while a network is built, so that fixtures are small; nothing else is changed.
"""

from __future__ import annotations

import functools
import itertools
import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch
from tests.parity.fixtures import gradient_norms, normal
from torch import Tensor, nn

BY = 8
"""Divisor of the published widths, which start at 64."""


def on_the_cpu() -> None:
    """Make numbers float64 and let them stay so, and on the CPU."""
    torch.set_default_dtype(torch.float64)
    torch.cuda.is_available = lambda: False
    for owner in (Tensor, nn.Module):
        owner.cuda = lambda self, *args, **kwargs: self
    Tensor.float = Tensor.double
    # Noise by name, in place of a generator's.
    torch.randn_like = lambda x, **_: normal("noise", x.shape)


def without(*modules: str) -> None:
    """Let released files import what is not installed and not needed here."""
    for name in modules:
        sys.modules[name] = MagicMock(name=name, __spec__=ModuleSpec(name, None))


@contextmanager
def narrowed(by: int = BY) -> Iterator[None]:
    """Divide every width that 4 divides by `by` in the layers that are built inside."""
    kinds = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)
    counts = {"in_channels", "out_channels", "groups", "in_features", "out_features"}
    before = {kind: kind.__init__ for kind in kinds}

    def small(n: Any) -> Any:
        return max(1, n // by) if isinstance(n, int) and n % 4 == 0 else n

    def init(kind: type[nn.Module], self: nn.Module, *args: Any, **kwargs: Any) -> None:
        first = 2 if kind in (nn.Conv2d, nn.Linear) else 1
        args = (*map(small, args[:first]), *args[first:])
        before[kind](self, *args, **{k: small(v) if k in counts else v for k, v in kwargs.items()})

    for kind in kinds:
        kind.__init__ = functools.partialmethod(functools.partial(init, kind))
    try:
        yield
    finally:
        for kind in kinds:
            kind.__init__ = before[kind]


def choose(combinations: Sequence[int]) -> None:
    """Let the released code draw these combinations, by its own numbers, over and over."""
    drawn = itertools.cycle(combinations)
    np.random.choice = lambda *args, **kwargs: np.array([next(drawn)])


class Recorder(torch.optim.Optimizer):
    """An optimizer that changes nothing; it keeps the loss and gradients of the last step."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model.parameters(), {"lr": 0.0})
        self.model = model
        self.loss: Tensor | None = None
        self.gradients: dict[str, float] = {}
        backward = Tensor.backward

        def recorded(tensor: Tensor, *args: Any, **kwargs: Any) -> None:
            self.loss = tensor.detach()
            backward(tensor, *args, **kwargs)

        Tensor.backward = recorded

    def step(self, closure: Any = None) -> None:
        """Keep the norms of the gradients."""
        self.gradients = gradient_norms(self.model)


def options(**settings: Any) -> types.SimpleNamespace:
    """Settings as a released script would have parsed them."""
    return types.SimpleNamespace(**settings)
