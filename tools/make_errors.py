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
FILES = (
    "test_bad_files.py",
    "test_bad_commands.py",
    "test_errors.py",
    "test_damaged_runs.py",
    "test_bad_images.py",
)
HEAD = """---
orphan: true
---

# Bad input

Refused input and a fragment of each message. The tests run every row through the real command
(`tests/cli/test_bad_commands.py`, `test_bad_files.py`, `test_damaged_runs.py` and others), and
`python tools/make_errors.py` writes this page from their tables. Each error is one line on standard
error, `dmrnet: error: ...`, with exit code 2; `--debug` adds the traceback. Results that were
already computed are kept. `{made}` is the folder of the files, `{run}` a finished run;
`{published}` and `{root}` are published files and their prepared form. A damaged checkpoint is only
a warning.
"""
TABLES = {
    "BAD_FILES": "A file to train on",
    "BAD_ARCHIVES": "The bytes of a file",
    "BAD_CONFIGS": "A file of settings",
    "BAD_TESTS": "A file to test on",
    "BAD_WEIGHTS": "The weights of a run",
    "DAMAGED": "Another file of a run",
    "BAD_COMMANDS": "A command",
    "BAD_CHECKPOINTS": "A checkpoint to resume from",
    "BAD_PICTURES": "Published pictures to prepare, of `cwfid`",
    "BAD_IMAGES": "Images to predict, dense tasks",
    "BAD_PIXEL_COMMANDS": "A command, dense tasks",
}
COMMANDS = ("BAD_COMMANDS", "BAD_PIXEL_COMMANDS")
NOTES = {
    "BAD_CHECKPOINTS": "Only a warning: the previous checkpoint is used, or the run starts again.\n"
    "Code in a checkpoint is never run.",
}
FOOT = """## Not refused

A modality that a test file lacks is absent in all its rows. Fewer rows than a batch form one batch.
A row of NaN marks an absent modality, in training as at test.

An output folder without write permission (`tests/cli/test_read_only.py`) is an error with exit
code 2, a full disk (`test_full_disk.py`) one with exit code 1. Files are written aside and renamed,
so existing files stay intact.
"""


def page() -> str:
    """Return the text of the page."""
    sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
    tables: dict[str, Any] = {}
    for name in FILES:
        tables |= runpy.run_path(str(ROOT / "tests" / "cli" / name))
    parts = [HEAD]
    for name, title in TABLES.items():
        note = [NOTES[name], ""] if name in NOTES else []
        rows = [f"## {title}", "", *note, "| input | message |", "| --- | --- |"]
        for case, (given, said) in tables[name].items():
            shown = f"dmrnet {given}" if name in COMMANDS else None
            shown = given if name == "BAD_CONFIGS" else shown
            what = f"{case}: `{shown}`" if shown else case
            rows.append(f"| {what.replace('|', chr(92) + '|')} | … {said} … |")
        parts.append("\n".join(rows) + "\n")
    return "\n".join([*parts, FOOT])


if __name__ == "__main__":
    PAGE.write_text(page())
