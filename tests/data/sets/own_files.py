"""Files of three modalities, and a way to spoil them."""

from __future__ import annotations

import numpy as np


def some(rows: int = 30, seed: int = 0) -> dict[str, np.ndarray]:
    """Three modalities of three kinds, some rows missing, three classes."""
    rng = np.random.default_rng(seed)
    arrays = {
        "wave": rng.normal(size=(rows, 40, 3)),
        "face": rng.normal(size=(rows, 1, 6, 5)).astype(np.float32) * 9 + 100,
        "age": rng.integers(0, 90, size=rows).astype(np.float64),
    }
    arrays["wave"][::5] = np.nan
    arrays["face"][1::5] = np.nan
    arrays["age"][2::5] = np.nan
    arrays["y"] = np.arange(rows) % 3 * 10
    return arrays


def spoil(path: str | None, drop: tuple[str, ...] = (), **changes: object) -> None:
    assert path is not None
    with np.load(path, allow_pickle=True) as archive:
        arrays = {name: archive[name] for name in archive.files if name not in drop}
    for name, change in changes.items():
        arrays[name] = change(arrays[name].copy()) if callable(change) else change
    np.savez(path, **arrays)


def put(array: np.ndarray, place: object, value: float) -> np.ndarray:
    array[place] = value
    return array


def no_gaps(path: str) -> str:
    spoil(path, wave=np.ones((30, 40, 3)), face=np.ones((30, 1, 6, 5)), age=np.arange(30))
    return path
