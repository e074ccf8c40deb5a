"""``dmrnet fit``: train one run into its folder."""

from dmrnet.cli.fit.command import run

__all__ = ["run"]
