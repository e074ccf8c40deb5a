"""``dmrnet data``: list, check, prepare and export data."""

from dmrnet.cli.data.command import run

__all__ = ["run"]
