"""``python -m dmrnet``, the same as the command ``dmrnet``."""

from __future__ import annotations

from dmrnet.cli import program

if __name__ == "__main__":
    program()
