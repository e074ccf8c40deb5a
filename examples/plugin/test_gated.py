"""The method keeps what dmrnet promises of every method."""

from __future__ import annotations

from dmrnet.testing import MethodTests


class TestGated(MethodTests):
    """Every promise, for every kind of input."""

    name = "gated"
