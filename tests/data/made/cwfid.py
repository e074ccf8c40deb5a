"""Makes `cwfid` as it is published, small: PNG photographs and annotations, and the list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

IMAGES, HEIGHT, WIDTH = 9, 70, 90
TRAIN, TEST = (2, 3, 5, 6, 7, 8), (1, 4, 8, 9)
"""Image 8 is in both, as image 28 of the published list."""

COLOURS = np.array([[0, 0, 0], [0, 255, 0], [255, 0, 0]], dtype=np.uint8)


def labels() -> np.ndarray:
    """``(n, H, W)``: soil with squares of crop and weed; image 3 is soil alone."""
    found = np.zeros((IMAGES, HEIGHT, WIDTH), dtype=np.uint8)
    rng = np.random.default_rng(0)
    for image in range(IMAGES):
        for plant in (1, 2):
            top, left = rng.integers(0, HEIGHT - 20), rng.integers(0, WIDTH - 20)
            found[image, top : top + 20, left : left + 20] = plant
    found[2] = 0
    return found


def planes() -> np.ndarray:
    """``(n, 2, H, W)``: red and near infrared; plants are dark in one and bright in the other."""
    rng = np.random.default_rng(1)
    plant = labels()[:, None] * np.array([-20, 40])[:, None, None]
    noise = rng.integers(-15, 16, (IMAGES, 2, HEIGHT, WIDTH))
    return (90 + plant + noise).clip(0, 255).astype(np.uint8)


def make(folder: Path) -> Path:
    for name in ("images", "annotations"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, (seen, label) in enumerate(zip(planes(), labels(), strict=True), 1):
        red, nir = seen
        photograph = Image.fromarray(np.stack([red, nir, red], -1))
        photograph.save(folder / "images" / f"{number:03}_image.png")
        annotation = Image.fromarray(COLOURS[label])
        annotation.save(folder / "annotations" / f"{number:03}_annotation.png")
    (folder / "train_test_split.yaml").write_text(f"train: {list(TRAIN)}\ntest: {list(TEST)}\n")
    return folder
