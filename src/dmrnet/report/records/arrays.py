"""Read the ``.npz`` files of run folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from dmrnet.report.records.rows import RowError


def load_arrays(
    path: Path, content: str, mend: str, skip: Mapping[str, str] | None = None
) -> dict[str, NDArray[Any]]:
    """Load the arrays of a file.

    Args:
        path: The file.
        content: Expected content, for the error.
        mend: Mend of a damaged file, for the error.
        skip: ``{name: other}``; array `name` is not loaded if the file holds `other`.

    Raises:
        RowError: If the file is damaged.
    """
    try:
        # Opened here: given a path, numpy leaves a file open whose end is damaged.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            unused = {name for name, other in (skip or {}).items() if other in saved.files}
            return {name: saved[name] for name in saved.files if name not in unused}
    except (BadZipFile, ValueError, OSError, EOFError, KeyError) as error:
        raise RowError(
            f"{path}: expected {content}, got a damaged file ({error}); {mend}"
        ) from error
