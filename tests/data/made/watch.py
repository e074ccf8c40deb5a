"""Makes the file of `watch` in its published layout, small."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

CLASSES = ["PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW"]
SUBJECTS = 10


def content(shortest: int = 130) -> dict[str, object]:
    """10 subjects, 7 exercises, 2 sides, in a mixed order."""
    rng = np.random.default_rng(0)
    kinds = [(s, c, side) for s in range(1, SUBJECTS + 1) for c in range(7) for side in (0, 1)]
    kinds = [kinds[place] for place in rng.permutation(len(kinds))]
    scale = np.array([1, 1, 1, 50, 50, 50])
    return {
        "X": [rng.normal(c, 1, (int(rng.integers(shortest, 300)), 6)) * scale for _, c, _ in kinds],
        "y": np.array([c for _, c, _ in kinds]),
        "subject": np.array([s for s, _, _ in kinds]),
        "side": np.array([float(side) for _, _, side in kinds]),
        "X_labels": ["ax", "ay", "az", "wx", "wy", "wz"],
        "y_labels": list(CLASSES),
    }


def write(path: Path, value: object, protocol: int = 2) -> Path:
    """Write an object as numpy does, by the protocol that the published file has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|O", "fortran_order": False, "shape": ()}
        )
        pickle.dump(np.array(value, dtype=object), file, protocol=protocol)
    return path


def make(folder: Path) -> Path:
    """Write it where an unpacked wheel has it."""
    write(folder / "seglearn" / "data" / "watch_dataset.npy", content())
    return folder
