"""Write src/dmrnet/cli/fit/method_options.json from the settings classes of the methods.

Run from the folder of the project: ``python tools/make_options.py``.
"""

from __future__ import annotations

import json
from pathlib import Path

from dmrnet.cli.fit.method_options import FILE, described
from dmrnet.methods import METHODS

PLACE = Path(__file__).parents[1] / "src" / "dmrnet" / "cli" / FILE


def text() -> str:
    """Return the text of the file."""
    options = {name: described(name) for name in METHODS}
    return json.dumps(options, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PLACE.write_text(text(), encoding="utf-8")
