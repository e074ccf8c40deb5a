"""A trained model that helps to train another one: a teacher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn


class Frozen(nn.Module):
    """Holds a trained module that is only asked, never changed, and never saved.

    It has no parameters and no state of its own: no optimizer, checkpoint or process group sees
    what it holds, and a model is loaded for inference without its teacher. It follows its owner to
    another device and stays in evaluation mode.

    Args:
        module: The trained module; from now on it is frozen.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        # In a tuple, where torch does not register it.
        self._held = (module.requires_grad_(False).eval(),)

    @property
    def module(self) -> nn.Module:
        """The module that is held; call it under ``torch.no_grad``."""
        return self._held[0]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self.module._apply(fn, recurse)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def forward(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Call the module without a graph."""
        with torch.no_grad():
            return self.module(*args, **kwargs)
