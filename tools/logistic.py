"""Logistic regression on all modalities side by side: what any method must beat on the full data.

``python tools/logistic.py FOLDER [FOLDER ...]`` reads ``train.npz`` (with ``val.npz``, if there is
one, added to it) and ``test.npz`` of each folder, in the layout of ``--data arrays``, and prints
its accuracy: features standardised, missing ones replaced by their mean, C chosen by 5-fold
cross-validation. ``dmrnet data export mfeat --out FOLDER`` makes such a folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return every modality, flattened, side by side, and the labels."""
    with np.load(path, allow_pickle=False) as file:
        names = [name for name in file.files if name not in ("y", "present", "samples")]
        return np.concatenate([file[n].reshape(len(file[n]), -1) for n in names], 1), file["y"]


def accuracy(folder: Path) -> float:
    """Return the accuracy on the test file."""
    parts = [read(folder / name) for name in ("train.npz", "val.npz") if (folder / name).is_file()]
    x, y = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    model = make_pipeline(
        SimpleImputer(keep_empty_features=True),
        StandardScaler(),
        LogisticRegressionCV(Cs=np.logspace(-4, 1, 6), cv=5, max_iter=2000, n_jobs=2),
    )
    return float(model.fit(x, y).score(*read(folder / "test.npz")))


def main() -> int:
    """Print one line a folder."""
    for folder in map(Path, sys.argv[1:]):
        sys.stdout.write(f"{folder.name}\t{accuracy(folder):.4f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
