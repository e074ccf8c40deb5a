"""The classifiers of scikit-learn; see `dmrnet.peers`. Only this module fits them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from scipy.special import log_softmax
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from dmrnet.peers import IMML
from dmrnet.peers.table import COPIES, Array, FlatRows, LogProbabilities, masked_copies, scores

TREES = 300
FLOOR = 1e-3
"""Smallest probability of a forest: less than one tree's vote, so that log is finite."""

STRENGTHS = (0.01, 0.1, 1.0, 10.0)
"""Inverse penalties of logistic regression that are tried."""

MOST_NUMBERS = 10_000_000
"""Most rows times features times classes for boosting: more takes many minutes."""

MOST_FEATURES = 1_000
"""Most features for iMML's classifiers, which read vectors."""


def fit(name: str, train: FlatRows, val: FlatRows, seed: int) -> LogProbabilities:
    """Fit a classifier with one thread.

    Args:
        name: One of `dmrnet.peers.PEERS` or `dmrnet.peers.IMML`.
        train: Training rows.
        val: Validation rows, on which a penalty is chosen.
        seed: Seed of what is random.

    Raises:
        ModuleNotFoundError: If iMML, or what it needs, is not installed.
    """
    if name in IMML:
        from dmrnet.peers.imml import fit_imml

        return fit_imml(name, train, val, seed)
    with threadpool_limits(1), warnings.catch_warnings():
        # A strong penalty converges, a weak one may not; validation decides between them.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return CLASSIFIERS[name](train, val, seed)


def too_many(name: str, train: FlatRows) -> bool:
    """Whether boosting, or a classifier of iMML, would take many minutes."""
    features = sum(int(column.shape[1]) for column in train.columns)
    if name in IMML:
        return features > MOST_FEATURES
    rows = len(train.target) * (COPIES if name == "boosting-masked" else 1)
    return name.startswith("boosting") and rows * features * train.classes > MOST_NUMBERS


def log_of(model: Any, features: Array, classes: int, floor: float = 1e-12) -> Array:  # noqa: ANN401
    """Return a model's logarithms of probabilities; a class that it never saw has `floor`."""
    known = np.full((len(features), classes), floor)
    known[:, model.classes_] = np.maximum(model.predict_proba(features), floor)
    logs: Array = log_softmax(np.log(known), axis=1)
    return logs


def late(train: FlatRows, make: Callable[[], Any], floor: float = 1e-12) -> LogProbabilities:
    """Fit a model for each modality on the rows that have it; average their log-probabilities."""
    models = [
        _fitted(make(), column[has], train.target[has])
        for column, has in zip(train.columns, train.present.T, strict=True)
    ]

    @cache
    def logs(table: FlatRows) -> Array:
        """Return what each model says of its modality, ``(V, n, classes)``."""
        columns = zip(models, table.columns, strict=True)
        return np.stack([log_of(model, column, table.classes, floor) for model, column in columns])

    def predict(table: FlatRows, mask: Array) -> Array:
        seen = (mask & table.present).T
        total = np.where(seen[:, :, None], logs(table), 0.0).sum(0)
        mean: Array = log_softmax(total / seen.sum(0).clip(1)[:, None], axis=1)
        return mean

    return predict


def _fitted(model: Any, features: Array, target: Array) -> Any:  # noqa: ANN401
    """Fit a model; with a single class a constant one, since others refuse such a target."""
    one = len(np.unique(target)) < 2
    return (DummyClassifier(strategy="prior") if one else model).fit(features, target)


def side_by_side(features: Array, target: Array, model: Any) -> LogProbabilities:  # noqa: ANN401
    """Fit one model on all modalities."""
    model.fit(features, target)
    return lambda table, mask: log_of(model, table.visible(mask), table.classes)


def logistic(strength: float) -> Any:  # noqa: ANN401
    """Return a logistic regression on standardised features."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=300))


def chosen(fit: Callable[[float], LogProbabilities], val: FlatRows) -> LogProbabilities:
    """Return the fit of the strength with the best average accuracy on validation."""
    fits = [fit(strength) for strength in STRENGTHS]
    return max(fits, key=lambda predict: np.nanmean([s.accuracy for s in scores(predict, val)]))


def logistic_late(train: FlatRows, val: FlatRows, seed: int) -> LogProbabilities:
    """Late fusion of logistic regressions."""
    return chosen(lambda strength: late(train, lambda: logistic(strength)), val)


def forest_late(train: FlatRows, val: FlatRows, seed: int) -> LogProbabilities:
    """Late fusion of random forests."""
    return late(train, lambda: RandomForestClassifier(TREES, random_state=seed), FLOOR)


def logistic_imputed(train: FlatRows, val: FlatRows, seed: int) -> LogProbabilities:
    """Logistic regression on imputed, randomly masked copies."""
    features, target = masked_copies(train, seed)

    def fit(strength: float) -> LogProbabilities:
        return side_by_side(
            features,
            target,
            make_pipeline(SimpleImputer(keep_empty_features=True), logistic(strength)),
        )

    return chosen(fit, val)


def boosting(train: FlatRows, val: FlatRows, seed: int) -> LogProbabilities:
    """Histogram gradient boosting on the rows as they are."""
    features = train.visible(train.present)
    return side_by_side(features, train.target, HistGradientBoostingClassifier(random_state=seed))


def boosting_masked(train: FlatRows, val: FlatRows, seed: int) -> LogProbabilities:
    """Histogram gradient boosting on randomly masked copies."""
    features, target = masked_copies(train, seed)
    return side_by_side(features, target, HistGradientBoostingClassifier(random_state=seed))


CLASSIFIERS: dict[str, Callable[[FlatRows, FlatRows, int], LogProbabilities]] = {
    "logistic-late": logistic_late,
    "forest-late": forest_late,
    "logistic-imputed": logistic_imputed,
    "boosting": boosting,
    "boosting-masked": boosting_masked,
}
