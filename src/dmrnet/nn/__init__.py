"""The parts of a method: encoders, fusion, representation, predictor.

`dmrnet.nn.public` lists the public names. They are imported on first use (PEP 562), so that
settings, which hold a `Network`, load no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmrnet.nn.public import *  # noqa: F403
else:

    def __getattr__(name: str) -> object:
        """Import a public name when it is first asked for."""
        from importlib import import_module

        if name.startswith("__"):
            raise AttributeError(name)
        public = import_module("dmrnet.nn.public")
        return getattr(public, name)
