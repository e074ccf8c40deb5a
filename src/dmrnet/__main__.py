"""``python -m dmrnet``, the same as the command ``dmrnet``."""

from __future__ import annotations

import sys

from dmrnet.cli import main

if __name__ == "__main__":
    sys.exit(main())
