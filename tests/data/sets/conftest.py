"""Valid files of the user's own, to be spoilt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.data.sets.own_files import some

from dmrnet.data.sets.arrays import Arrays


@pytest.fixture
def files(tmp_path: Path) -> Arrays:
    """Valid settings, to be spoilt."""
    for name, rows, seed in (("train", 30, 0), ("val", 9, 1), ("test", 12, 2)):
        np.savez(tmp_path / f"{name}.npz", **some(rows, seed))
    return Arrays(*(str(tmp_path / f"{name}.npz") for name in ("train", "val", "test")))
