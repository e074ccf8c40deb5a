"""Folders that ship with the package, also where that is imported from a zip file."""

from __future__ import annotations

import atexit
import shutil
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import mkdtemp


@cache
def shipped_folder(name: str) -> Path:
    """Return the path of a folder of this package; a copy that ends with the process in a zip."""
    folder = files("dmrnet.studies").joinpath(name)
    if isinstance(folder, Path):
        return folder
    copy = Path(mkdtemp(prefix="dmrnet-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    for item in folder.iterdir():
        if item.is_file():
            (copy / item.name).write_bytes(item.read_bytes())
    return copy
