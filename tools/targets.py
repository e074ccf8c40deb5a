#!/usr/bin/env python3
"""Regression and several labels on real data, next to linear models: python tools/targets.py.

Diabetes (442 patients, shipped with scikit-learn): the progression of the disease from three blocks
of columns, ``person`` (age, sex), ``body`` (body mass index, blood pressure) and ``blood`` (six
serum measurements). Digits (1,797 images of 8 x 8 pixels, shipped with scikit-learn) in four
quadrants: is the digit even, prime, 5 or more, a multiple of 3, drawn with a loop?

Landsat (6,435 pixels of a satellite image, shipped with dmrnet) predicts a second near infra-red
band from the 3 x 3 neighbourhoods in the green, red and first near infra-red bands.

Each seed draws its own 30 % of the rows for the test. In the training rows each modality is missing
with probability 0.3. Linear models: ridge or logistic regression with the mean of the training rows
in place of what is missing, and one such model for each combination, of the rows that have it.
Penalties are chosen by cross-validation on the training rows. Networks hold a fifth of the training
rows out for the choice of the epoch.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from importlib.resources import as_file, files

import numpy as np
from sklearn.datasets import load_diabetes, load_digits
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.metrics import average_precision_score, mean_absolute_error
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import dmrnet
from dmrnet.modalities import all_combinations

Arrays = dict[str, np.ndarray]
METHODS = ("sf-md", "dmrnet", "experts")
MISSING = 0.3
BANDS = ("green", "red", "nir1")
LABELS = {
    "even": {0, 2, 4, 6, 8},
    "prime": {2, 3, 5, 7},
    "large": {5, 6, 7, 8, 9},
    "threes": {0, 3, 6, 9},
    "loop": {0, 6, 8, 9},
}


def diabetes() -> tuple[Arrays, np.ndarray, list[str] | None]:
    """Return blocks of columns, and the progression of the disease after a year."""
    x, y = load_diabetes(return_X_y=True, scaled=False)
    return {"person": x[:, :2], "body": x[:, 2:4], "blood": x[:, 4:]}, y, None


def landsat() -> tuple[Arrays, np.ndarray, list[str] | None]:
    """Return the neighbourhoods in three bands, and the central pixel of the fourth."""
    with (
        as_file(files("dmrnet.data.sets.embedded") / "files" / "landsat.npz") as path,
        np.load(path) as saved,
    ):
        x = {band: saved[band].reshape(-1, 9).astype(np.float64) for band in BANDS}
        return x, saved["nir2"][:, 0, 1, 1].astype(np.float64), None


def digits() -> tuple[Arrays, np.ndarray, list[str] | None]:
    """Return four quadrants as vectors, and five properties of the digit."""
    data = load_digits()
    corners = {"nw": (0, 0), "ne": (0, 4), "sw": (4, 0), "se": (4, 4)}
    x = {
        name: data.images[:, top : top + 4, left : left + 4].reshape(-1, 16)
        for name, (top, left) in corners.items()
    }
    y = np.stack([np.isin(data.target, list(of)) for of in LABELS.values()], 1).astype(np.int64)
    return x, y, list(LABELS)


def ridge() -> object:
    """Return ridge regression on standardised columns."""
    return make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 25)))


def logistic() -> object:
    """Return one logistic regression a label, on standardised columns."""
    one = LogisticRegressionCV(Cs=np.logspace(-3, 1, 5), cv=3, max_iter=300)
    return make_pipeline(StandardScaler(), OneVsRestClassifier(one))


def predict(model: object, x: np.ndarray) -> np.ndarray:
    """Return numbers, or the probability of each label."""
    return getattr(model, "predict_proba", model.predict)(x)  # type: ignore[attr-defined]


SETS: dict[str, tuple[Callable, Callable, Callable, str]] = {
    "diabetes": (diabetes, ridge, mean_absolute_error, "MAE"),
    "landsat": (landsat, ridge, mean_absolute_error, "MAE"),
    "digits": (
        digits,
        logistic,
        lambda y, p: 100 * average_precision_score(y, p, average="macro"),
        "mAP, %",
    ),
}


def scores_of_seed(name: str, seed: int, epochs: int | None) -> dict[str, dict[str, float]]:
    """Return the score of each system on each combination, for one split."""
    load, linear, score, _ = SETS[name]
    x, y, labels = load()
    names, draw = list(x), np.random.default_rng(seed)
    order = draw.permutation(len(y))
    test, train = np.split(order, [round(0.3 * len(y))])
    present = draw.random((len(train), len(names))) >= MISSING
    empty = ~present.any(1)
    present[empty, draw.integers(0, len(names), empty.sum())] = True
    combinations = {
        "+".join(n for n, seen in zip(names, row, strict=True) if seen): row
        for row in all_combinations(len(names)).tolist()
    }
    found: dict[str, dict[str, float]] = {}
    means = {n: x[n][train[present[:, k]]].mean(0) for k, n in enumerate(names)}

    def filled(rows: np.ndarray, has: np.ndarray) -> np.ndarray:
        blocks = [np.where(has[:, k, None], x[n][rows], means[n]) for k, n in enumerate(names)]
        return np.concatenate(blocks, 1)

    model = linear().fit(filled(train, present), y[train])
    found["linear, mean in place"] = {
        key: score(y[test], predict(model, filled(test, np.tile(row, (len(test), 1)))))
        for key, row in combinations.items()
    }
    found["linear for each combination"] = {}
    for key, row in combinations.items():
        seen = [n for n, one in zip(names, row, strict=True) if one]
        rows = train[present[:, row].all(1)]
        own = linear().fit(np.concatenate([x[n][rows] for n in seen], 1), y[rows])
        table = np.concatenate([x[n][test] for n in seen], 1)
        found["linear for each combination"][key] = score(y[test], predict(own, table))

    def data(rows: np.ndarray, has: np.ndarray | None = None) -> dmrnet.MultimodalDataset:
        inputs = {n: x[n][rows].astype(np.float32) for n in names}
        # Both could be something else: whole numbers, columns of 0 and 1.
        target = "regression" if labels is None else "multi-label"
        return dmrnet.MultimodalDataset(
            inputs, y[rows], present=has, target=target, labels=labels, name=name
        )

    for method in METHODS:
        options = {"threads": 1} | ({} if epochs is None else {"max_epochs": epochs})
        run = dmrnet.fit(data(train, present), method=method, seed=seed, **options)
        scores = run.evaluate(data(test))
        factor = 100 if scores.metric == "map" else 1
        found[method] = {key: factor * scores[key] for key in combinations}
    return found


def main() -> None:
    """Print a table for each data set: mean over combinations, and all modalities."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sets", nargs="*", default=list(SETS), metavar="SET")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="epochs of the networks [as by default]")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", module="sklearn")
    for name in args.sets:
        runs = [scores_of_seed(name, seed, args.epochs) for seed in range(args.seeds)]
        write(f"\n| {name}: {SETS[name][3]} | average of combinations | all modalities |")
        write("| --- | ---: | ---: |")
        for system in runs[0]:
            full = max(runs[0][system], key=lambda key: key.count("+"))
            columns = (
                [np.mean(list(run[system].values())) for run in runs],
                [run[system][full] for run in runs],
            )
            cells = [
                f"{np.mean(values):.2f} ± {np.std(values, ddof=1) / len(values) ** 0.5:.2f}"
                if len(values) > 1
                else f"{values[0]:.2f}"
                for values in columns
            ]
            write(f"| {system} | {cells[0]} | {cells[1]} |")


def write(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
