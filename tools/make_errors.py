"""Write docs/reference/errors.md from the tables that the tests of errors go through.

Run from the folder of the project: ``python tools/make_errors.py``.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "errors.md"
HEAD = """# Bad input

What is refused, and what is said. Each row is tried through the real command by
`tests/cli/test_errors.py`, `test_damaged_runs.py` and `test_bad_images.py` beside it, from whose
tables this page is made
(`python tools/make_errors.py`).
Each is one line on standard error, `dmrnet: error: ...`, and exit code 2, without a traceback
unless `--debug` is given; what was already computed stays. `{made}` is the folder of the files,
`{run}` a finished run; `{published}` and `{root}` are published files and what is prepared of them.
Checkpoints are the exception: a broken one is passed over with a
warning, and the run goes on with exit code 0.
"""
TABLES = {
    "BAD_FILES": "A file to train on",
    "BAD_ARCHIVES": "The bytes of a file",
    "BAD_CONFIGS": "A file of settings",
    "BAD_TESTS": "A file to test on",
    "BAD_WEIGHTS": "The weights of a run",
    "DAMAGED": "Another file of a run",
    "BAD_COMMANDS": "A command",
    "BAD_CHECKPOINTS": "A checkpoint to go on from",
    "BAD_PICTURES": "Published pictures to prepare, of `cwfid`",
    "BAD_IMAGES": "Images to predict, where every pixel has a class",
    "BAD_PIXEL_COMMANDS": "A command, where every pixel has a class",
}
COMMANDS = ("BAD_COMMANDS", "BAD_PIXEL_COMMANDS")
NOTES = {
    "BAD_CHECKPOINTS": "This alone is a warning: the checkpoint before it is taken, or the run\n"
    "begins anew. Code in a checkpoint is never run.",
}
FOOT = """## Not refused

A modality that a test file lacks is absent in all its rows. Fewer rows than a batch are one batch.
A row of NaN is a modality that the sample lacks, in training as at test.

An output folder that may not be written to (`tests/cli/test_read_only.py`) is said in one line with
exit code 2, a disk that is full (`test_full_disk.py`) with exit code 1. Files are written aside and
renamed, so what was there is still whole.
"""


def page() -> str:
    """Return the text of the page."""
    sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
    tables: dict[str, Any] = {}
    for name in ("test_errors.py", "test_damaged_runs.py", "test_bad_images.py"):
        tables |= runpy.run_path(str(ROOT / "tests" / "cli" / name))
    parts = [HEAD]
    for name, title in TABLES.items():
        note = [NOTES[name], ""] if name in NOTES else []
        rows = [f"## {title}", "", *note, "| what | what is said of it |", "| --- | --- |"]
        for case, (given, said) in tables[name].items():
            shown = f"dmrnet {given}" if name in COMMANDS else None
            shown = given if name == "BAD_CONFIGS" else shown
            what = f"{case}: `{shown}`" if shown else case
            rows.append(f"| {what.replace('|', chr(92) + '|')} | … {said} … |")
        parts.append("\n".join(rows) + "\n")
    return "\n".join([*parts, FOOT])


if __name__ == "__main__":
    PAGE.write_text(page())
