"""A frozen module, such as a teacher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn


class Frozen(nn.Module):
    """Wraps a trained module that is evaluated but never trained or saved.

    The wrapper has no parameters and no state: optimizers, checkpoints and process groups do not
    see the module, and a model is loaded for inference without its teacher. The module follows its
    owner to another device and stays in evaluation mode.

    Args:
        module: Trained module; it is frozen from now on.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        # Torch does not register a module in a tuple.
        self._hidden = (module.requires_grad_(False).eval(),)

    @property
    def module(self) -> nn.Module:
        """The wrapped module; call it under ``torch.no_grad``."""
        return self._hidden[0]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self.module._apply(fn, recurse)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def forward(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Call the module without gradients."""
        with torch.no_grad():
            return self.module(*args, **kwargs)
