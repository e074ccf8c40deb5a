"""``dmrnet predict``: predict samples, or every pixel, with a finished run."""

from dmrnet.cli.predict.command import run

__all__ = ["run"]
