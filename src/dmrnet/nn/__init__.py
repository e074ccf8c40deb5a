"""The parts of a method: encoders, fusion, representation and predictor.

`layers` are shared building blocks, `encoders` read one modality, `networks` are families of whole
networks, and `systems` has parts of single compared systems. Public names are listed in
`dmrnet.nn.public` and imported on first use (PEP 562): settings hold a `Network` and load no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmrnet.nn.public import *  # noqa: F403
else:
    from importlib import import_module

    def __getattr__(name: str) -> object:
        """Import a public name when it is first asked for."""
        if name.startswith("__") and name != "__all__":
            raise AttributeError(name)
        return getattr(import_module("dmrnet.nn.public"), name)

    def __dir__() -> list[str]:
        """Return the public names, too."""
        return sorted({*globals(), *import_module("dmrnet.nn.public").__all__})
