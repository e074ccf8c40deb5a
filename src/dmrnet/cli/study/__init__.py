"""``dmrnet study``: the runs behind a table or a figure, or of a study of one's own."""

from dmrnet.cli.study.command import run

__all__ = ["run"]
