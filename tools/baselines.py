"""Cheap baselines outside the engine, on the same splits as every method and scored like them.

``python tools/baselines.py --data NAME [--data.SETTING VALUE ...] --seeds N --out DIR`` makes a run
folder for each baseline and seed in ``DIR/runs``, with the rows of every combination on validation
and test, predictions, and CPU seconds to fit. ``dmrnet report`` and studies read such folders.
scikit-learn, which the extra ``dev`` brings, is needed here and nowhere in the package.

- ``logistic-late``: a logistic regression for each modality; mean of the log-probabilities of the
  visible ones.
- ``forest-late``: the same with random forests of 300 trees.
- ``logistic-imputed``: a logistic regression on all modalities, with means in place of what is
  missing, trained on four copies of the training rows with random masks.
- ``boosting``: histogram gradient boosting on all modalities, with NaN in place of what is missing,
  trained on the training rows as they are.
- ``boosting-masked``: the same, trained on the four masked copies.

The strength of a logistic regression's penalty is chosen on validation, by average accuracy over
combinations; the time for that counts. Everything else is scikit-learn's default. Boosting is left
out where rows times features times classes are more than `MOST_NUMBERS`: that takes many minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from dmrnet.data import Splits
from dmrnet.data.split import generator
from dmrnet.engine.evaluate import sources_of
from dmrnet.engine.folder import RunFolder
from dmrnet.modalities import Uniform, all_combinations, name_of
from dmrnet.settings.config import RunSettings, parse_run
from dmrnet.storage import npz_bytes

COPIES = 4
"""Number of copies of the training rows with random masks."""

TREES = 300
FLOOR = 1e-3
"""Smallest probability of a forest: less than one tree's vote, so that log is finite."""

STRENGTHS = (0.01, 0.1, 1.0, 10.0)
"""Inverse penalties of logistic regression that are tried."""

MOST_NUMBERS = 10_000_000
Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of a split, modalities flattened.

    Attributes:
        columns: ``(n, features)`` of each modality, in order; zeros where it is absent.
        present: bool ``(n, V)``.
        target: Classes ``(n,)``.
        classes: Number of classes.
    """

    columns: tuple[Array, ...]
    present: Array
    target: Array
    classes: int

    def visible(self, mask: Array) -> Array:
        """Return modalities side by side, NaN where not visible.

        Args:
            mask: bool ``(n, V)`` or ``(V,)``.
        """
        seen = np.broadcast_to(mask, self.present.shape) & self.present
        parts = (
            np.where(seen[:, [v]], column, np.float32("nan"))
            for v, column in enumerate(self.columns)
        )
        return np.concatenate([*parts], axis=1)


LogProbabilities = Callable[[Table, Array], Array]
"""Returns logarithms of probabilities ``(n, classes)`` of rows under one mask ``(V,)``."""


def table_of(part: Any) -> Table:  # noqa: ANN401
    """Return a split as one table."""
    batch = part.take(torch.arange(len(part)))
    columns = tuple(batch.inputs[name].flatten(1).numpy() for name in part.task.modalities)
    return Table(columns, part.present.numpy(), part.target.numpy(), len(part.task.classes))


def log_of(model: Any, features: Array, classes: int, floor: float = 1e-12) -> Array:  # noqa: ANN401
    """Return a model's logarithms of probabilities; a class that it never saw has `floor`."""
    known = np.full((len(features), classes), floor)
    known[:, model.classes_] = np.maximum(model.predict_proba(features), floor)
    return normalised(np.log(known))


def normalised(scores: Array) -> Array:
    """Return logarithms of probabilities that add up to 1.

    >>> normalised(np.log([[2.0, 6.0]])).round(4).tolist()
    [[-1.3863, -0.2877]]
    """
    top = scores.max(1, keepdims=True)
    return scores - top - np.log(np.exp(scores - top).sum(1, keepdims=True))


# ---- the baselines -------------------------------------------------------------------------------


def late(train: Table, make: Callable[[], Any], floor: float = 1e-12) -> LogProbabilities:
    """Fit a model for each modality on the rows that have it; average their log-probabilities."""
    models = [
        make().fit(column[there], train.target[there])
        for column, there in zip(train.columns, train.present.T, strict=True)
    ]

    @cache
    def logs(table: Table) -> Array:
        """Return what each model says of its modality, ``(V, n, classes)``."""
        columns = zip(models, table.columns, strict=True)
        return np.stack([log_of(model, column, table.classes, floor) for model, column in columns])

    def predict(table: Table, mask: Array) -> Array:
        seen = (mask & table.present).T
        total = np.where(seen[:, :, None], logs(table), 0.0).sum(0)
        return normalised(total / seen.sum(0).clip(1)[:, None])

    return predict


def side_by_side(features: Array, target: Array, model: Any) -> LogProbabilities:  # noqa: ANN401
    """Fit one model on all modalities."""
    model.fit(features, target)
    return lambda table, mask: log_of(model, table.visible(mask), table.classes)


def masked_copies(train: Table, seed: int) -> tuple[Array, Array]:
    """Return copies of the rows with random masks, uniform over what is present, and targets."""
    draw, present = generator(seed, "copies"), torch.from_numpy(train.present)
    copies = [train.visible(Uniform()(present, draw).numpy()) for _ in range(COPIES)]
    return np.concatenate(copies), np.tile(train.target, COPIES)


def logistic(strength: float) -> Any:  # noqa: ANN401
    """Return a logistic regression on standardised features."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=300))


def chosen(fit: Callable[[float], LogProbabilities], val: Table) -> LogProbabilities:
    """Return the fit of the strength with the best average accuracy on validation."""
    fits = [fit(strength) for strength in STRENGTHS]
    return max(fits, key=lambda predict: np.nanmean([s.accuracy for s in scores(predict, val)]))


def logistic_late(train: Table, val: Table, seed: int) -> LogProbabilities:
    """Late fusion of logistic regressions."""
    return chosen(lambda strength: late(train, lambda: logistic(strength)), val)


def forest_late(train: Table, val: Table, seed: int) -> LogProbabilities:
    """Late fusion of random forests."""
    return late(train, lambda: RandomForestClassifier(TREES, random_state=seed), FLOOR)


def logistic_imputed(train: Table, val: Table, seed: int) -> LogProbabilities:
    """Logistic regression on imputed, randomly masked copies."""
    features, target = masked_copies(train, seed)

    def fit(strength: float) -> LogProbabilities:
        return side_by_side(
            features,
            target,
            make_pipeline(SimpleImputer(keep_empty_features=True), logistic(strength)),
        )

    return chosen(fit, val)


def boosting(train: Table, val: Table, seed: int) -> LogProbabilities:
    """Histogram gradient boosting on the rows as they are."""
    features = train.visible(train.present)
    return side_by_side(features, train.target, HistGradientBoostingClassifier(random_state=seed))


def boosting_masked(train: Table, val: Table, seed: int) -> LogProbabilities:
    """Histogram gradient boosting on randomly masked copies."""
    features, target = masked_copies(train, seed)
    return side_by_side(features, target, HistGradientBoostingClassifier(random_state=seed))


BASELINES = {
    "logistic-late": logistic_late,
    "forest-late": forest_late,
    "logistic-imputed": logistic_imputed,
    "boosting": boosting,
    "boosting-masked": boosting_masked,
}


def too_many(name: str, train: Table) -> bool:
    """Whether boosting would take many minutes."""
    rows = len(train.target) * (COPIES if name == "boosting-masked" else 1)
    numbers = rows * sum(column.shape[1] for column in train.columns) * train.classes
    return name.startswith("boosting") and numbers > MOST_NUMBERS


# ---- scoring and rows ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """Predictions under one combination, of the rows that have all its modalities."""

    mask: Array
    scored: Array
    log: Array
    target: Array

    @property
    def accuracy(self) -> float:
        """Share of the scored rows that are classified correctly."""
        right = self.log.argmax(1) == self.target
        return float(right[self.scored].mean()) if self.scored.any() else float("nan")

    @property
    def log_loss(self) -> float:
        """Mean negative logarithm of the true class's probability."""
        loss = -self.log[np.arange(len(self.target)), self.target]
        return float(loss[self.scored].mean()) if self.scored.any() else float("nan")


def scores(predict: LogProbabilities, table: Table) -> Iterator[Score]:
    """Score every combination."""
    for mask in all_combinations(len(table.columns)).numpy():
        scored = (table.present | ~mask).all(1)
        yield Score(mask, scored, predict(table, mask), table.target)


def run(name: str, settings: RunSettings, splits: Splits, folder: RunFolder) -> float:
    """Fit and score a baseline, write its run folder, and return its average test accuracy."""
    if splits.test is None:
        raise ValueError("expected a test split, got none")
    tables = {role: table_of(part) for role, part in splits.parts().items()}
    names, label = splits.train.task.modalities, settings.data_label
    started, cpu_started = time.perf_counter(), time.process_time()
    predict = BASELINES[name](tables["train"], tables["val"], settings.seed)
    cost = {
        "train_seconds": time.perf_counter() - started,
        "train_cpu_seconds": time.process_time() - cpu_started,
    }

    def rows(split: str, found: list[Score]) -> list[dict[str, Any]]:
        # As `dmrnet fit` does: cost is of the training, and stands with the rows of validation.
        costs = cost.items() if split == "val" else ()
        lines = [("", metric, value, len(tables[split].target)) for metric, value in costs]
        for score in found:
            of = name_of(score.mask.tolist(), names), int(score.scored.sum())
            lines += [(of[0], m, getattr(score, m), of[1]) for m in ("accuracy", "log_loss")]
        keys = ("combination", "metric", "value", "n")
        head = {"run": folder.name, "method": name, "recipe": "scikit-learn", "settings": {}}
        head |= {"dataset": label, "split": split, "seed": settings.seed}
        values = ((name, metric, None if v != v else v, n) for name, metric, v, n in lines)
        return [head | dict(zip(keys, line, strict=True)) for line in values]

    tested = [*scores(predict, tables["test"])]
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.write_facts(
        dataset=settings.dataset,
        modalities=list(names),
        classes=list(splits.train.task.classes),
        score="accuracy",
        samples={role: len(part) for role, part in splits.parts().items()},
        content=splits.fingerprints(),
        notes=[*splits.notes, "a baseline of scikit-learn, not trained by this package"],
    )
    folder.put_rows("val", rows("val", [*scores(predict, tables["val"])]))
    arrays = {
        "index": np.arange(len(tables["test"].target)),
        "combination": np.array([name_of(score.mask.tolist(), names) for score in tested]),
        "target": tables["test"].target,
        "scored": np.stack([score.scored for score in tested]),
        "predicted": np.stack([score.log.argmax(1) for score in tested]).astype(np.int16),
        **sources_of(settings.data, splits.test, torch.arange(len(splits.test))),
    }
    files = {folder.predictions: npz_bytes(arrays)}
    folder.put_test(rows("test", tested), files, test_samples=len(splits.test), finished=True)
    return float(np.nanmean([score.accuracy for score in tested]))


def make_runs(options: argparse.Namespace, flags: list[str]) -> None:
    """Make the runs that are missing.

    Args:
        options: Options of the command.
        flags: Settings of the data set.
    """
    for seed in range(options.seeds):
        settings = parse_run(["--data", options.data, "--seed", str(seed), *flags])
        label = settings.data_label
        key = "" if label == settings.dataset else hashlib.sha256(label.encode()).hexdigest()[:8]
        splits = settings.data.load(seed)
        for name in options.methods:
            stem = "-".join(filter(None, (settings.dataset, name, f"seed{seed}", key)))
            folder = RunFolder(options.out / "runs" / stem)
            if any(row["split"] == "test" for row in folder.rows()):
                continue
            if too_many(name, table_of(splits.train)):
                sys.stdout.write(f"{label} {name}: left out, too many numbers\n")
                continue
            average = run(name, settings, splits, folder)
            sys.stdout.write(f"{label} {name} seed {seed}: {average:.3f}\n")


def main() -> None:
    """Read the command line, and make the runs with one thread."""
    # A strong penalty converges, a weak one may not; validation decides between them.
    warnings.filterwarnings("ignore", "lbfgs failed to converge")
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, help="name of the data set")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 0")
    parser.add_argument("--methods", nargs="+", choices=[*BASELINES], default=[*BASELINES])
    parser.add_argument("--out", type=Path, required=True)
    options, flags = parser.parse_known_args()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        make_runs(options, flags)


if __name__ == "__main__":
    main()
