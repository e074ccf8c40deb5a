"""Makes `nyuv2` as it is published, small: an HDF5 file as MATLAB writes it, and two tables."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from scipy.io import savemat

IMAGES, HEIGHT, WIDTH = 14, 64, 96
TESTED = (3, 4, 9, 14)
"""Counted from 1, as published."""

SCENES = [f"kitchen_{number // 2:04}" for number in range(IMAGES)]


def mapping() -> np.ndarray:
    """Which of 40 classes each of 894 belongs to."""
    return np.random.default_rng(1).integers(1, 41, 894)


def content() -> dict[str, np.ndarray]:
    """Arrays ``(n, ..., H, W)``, the natural way round."""
    rng = np.random.default_rng(0)
    depth = rng.uniform(0.7, 9.9, (IMAGES, HEIGHT, WIDTH)).astype(np.float32)
    raw = depth.copy()
    raw[:, :8] = 0
    labels = rng.integers(0, 895, (IMAGES, HEIGHT // 16, WIDTH // 16)).astype(np.uint16)
    labels[:, 0, 0] = 0
    return {
        "images": rng.integers(0, 256, (IMAGES, 3, HEIGHT, WIDTH), dtype=np.uint8),
        "depths": depth,
        "rawDepths": raw,
        "labels": labels.repeat(16, 1).repeat(16, 2),
    }


def make(folder: Path, scenes: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "nyu_depth_v2_labeled.mat", "w") as file:
        for key, values in content().items():
            # In chunks, so that one image can be damaged without the others.
            file.create_dataset(
                key, data=values.swapaxes(-1, -2), chunks=(1, *values.swapaxes(-1, -2).shape[1:])
            )
        if scenes:
            places = []
            for number, name in enumerate(SCENES):
                text = np.array([[ord(letter)] for letter in name], dtype=np.uint16)
                places.append(file.create_dataset(f"#refs#/{number}", data=text).ref)
            file.create_dataset("scenes", data=np.array([places], dtype=h5py.ref_dtype))
    train = [number for number in range(1, IMAGES + 1) if number not in TESTED]
    savemat(
        folder / "splits.mat",
        {"trainNdxs": np.array(train)[:, None], "testNdxs": np.array(TESTED)[:, None]},
    )
    savemat(folder / "classMapping40.mat", {"mapClass": mapping()[None]})
    return folder
