"""Estimators for scikit-learn: multimodal samples with gaps, in pipelines and searches."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Self

import numpy as np

from dmrnet.extras import missing

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
except ModuleNotFoundError as error:
    raise missing(error, "dmrnet.sklearn") from error
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    assert_all_finite,
    check_array,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from dmrnet.api.fit import fit
from dmrnet.api.run import Run, open_run
from dmrnet.api.scores import Scores
from dmrnet.data.files.arrays.labels import Choice
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.filling import Cells
from dmrnet.data.python.given import MultimodalDataset
from dmrnet.hints import nearest
from dmrnet.storage import write_text

SAVED = "classifier.json"
"""File of a saved classifier that holds its parameters and classes."""


class _Estimator(BaseEstimator):  # type: ignore[misc]
    """Base class of classifier and regressor: parameters, training, files."""

    run_: Run
    classes_: Array
    multilabel_: bool

    def __init__(
        self,
        method: Any = "auto",  # noqa: ANN401
        recipe: str = "best",
        blocks: Mapping[str, Sequence[Any]] | None = None,
        kinds: Mapping[str, str] | None = None,
        encoders: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        val_share: float = 0.2,
        refit: bool = False,
        random_state: Any = None,  # noqa: ANN401
        cells: Cells = "refuse",
        logger: Any = None,  # noqa: ANN401
        callbacks: Sequence[Any] | None = None,
    ) -> None:
        self.method = method
        self.recipe = recipe
        self.blocks = blocks
        self.kinds = kinds
        self.encoders = encoders
        self.training = training
        self.val_share = val_share
        self.cells = cells
        self.logger = logger
        self.callbacks = callbacks
        self.refit = refit
        self.random_state = random_state

    def fit(
        self,
        X: Any,  # noqa: ANN401
        y: Any,  # noqa: ANN401
        *,
        present: Any = None,  # noqa: ANN401
        groups: Any = None,  # noqa: ANN401
        sample_weight: Any = None,  # noqa: ANN401
    ) -> Self:
        """Train on samples; with `refit` once more on all of them.

        Args:
            X: Samples; see `MultimodalClassifier`.
            y: Label of each sample, ``(n,)``, or several, ``(n, M)`` of 0 and 1; for a regressor
                numbers, ``(n,)`` or ``(n, D)``.
            present: Bool array ``(n, V)``, True where a sample has a modality.
            groups: Group of each sample, such as its patient: a group is not split between training
                and the samples that choose the epoch.
            sample_weight: Weight of each sample in the training loss, ``(n,)``.

        Raises:
            ValueError: If something does not fit together; the message says what.
        """
        if y is None:
            raise ValueError("fit requires y to be passed, but the target y is None")
        data = self._samples(X, present, first=True)
        y = self._checked(y)
        if len(y) != len(data) or y.ndim > 2:
            raise ValueError(f"expected y of shape ({len(data)},), got {y.shape}")
        if len(data) < 2:
            raise ValueError(f"expected at least 2 samples, got n_samples = {len(data)}")
        codes, target = self._learnt(y)
        data = data.labelled(codes, sample_weight, groups)
        data.target, data.labels = target, None
        seed = int(check_random_state(self.random_state).randint(2**31))
        settings = dict(self.training or {})
        self.run_ = self._train(data, None, seed, settings)
        if self.refit:
            best = self.run_.best_epoch
            settings |= {"max_epochs": best + 1, "stretch": 1.0, "select": "last"}
            # The last epoch is kept, whatever these samples say.
            self.run_ = self._train(data, data, seed, settings)
        return self

    def score_combinations(self, X: Any, y: Any, present: Any = None) -> Scores:  # noqa: ANN401
        """Score every combination of modalities; see `Scores`.

        Raises:
            ValueError: If `y` has a label that training never had.
        """
        check_is_fitted(self)
        return self.run_.evaluate(self._samples(X, present).labelled(self._known(np.asarray(y))))

    def save(self, folder: str | Path) -> None:
        """Write the trained estimator into a new folder, without pickle.

        Raises:
            FileExistsError: If the folder exists.
            TypeError: If a label or a parameter is no text, number, list or mapping.
        """
        check_is_fitted(self)
        if Path(folder).exists():
            raise FileExistsError(f"{folder} exists; name a new folder")
        # Objects of this process: encoders are given again, who watched is not needed.
        left_out = ("encoders", "logger", "callbacks")
        parameters = {k: v for k, v in self.get_params(deep=False).items() if k not in left_out}
        if self.blocks:
            parameters["blocks"] = {
                name: np.asarray(columns).tolist() for name, columns in self.blocks.items()
            }
        known = {
            "parameters": parameters,
            "classes": None
            if (labels := getattr(self, "classes_", None)) is None
            else {"labels": labels.tolist(), "several": self.multilabel_},
            "columns": getattr(self, "n_features_in_", None),
            "names": list(getattr(self, "feature_names_in_", ())),
        }
        content = json.dumps(known)
        shutil.copytree(self.run_.path, folder)
        write_text(Path(folder) / SAVED, content)

    @classmethod
    def load(cls, folder: str | Path, encoders: Mapping[str, Any] | None = None) -> Self:
        """Open an estimator that `save` wrote.

        Args:
            folder: The folder.
            encoders: Encoders that were given as modules, by modality.

        Raises:
            FileNotFoundError: If the folder holds no estimator.
            ValueError: If it holds one of the other kind.
        """
        file = Path(folder) / SAVED
        if not file.is_file():
            raise FileNotFoundError(f"{folder} holds no estimator (no {SAVED}); `save` writes one")
        known = json.loads(file.read_text())
        kind = "regressor" if known["classes"] is None else "classifier"
        if (kind == "classifier") != issubclass(cls, ClassifierMixin):
            raise ValueError(f"{folder} holds a {kind}; open it with Multimodal{kind.title()}.load")
        model = cls(**known["parameters"], encoders=encoders)
        model.run_ = open_run(folder, encoders=encoders)
        if (labels := known["classes"]) is not None:
            # Earlier versions saved the labels alone.
            labels = labels if isinstance(labels, dict) else {"labels": labels, "several": False}
            model.classes_, model.multilabel_ = np.asarray(labels["labels"]), labels["several"]
        if known["columns"] is not None:
            model.n_features_in_ = known["columns"]
        if known.get("names"):
            model.feature_names_in_ = np.asarray(known["names"], dtype=object)
        return model

    def _train(
        self,
        train: MultimodalDataset,
        val: MultimodalDataset | None,
        seed: int,
        settings: Mapping[str, Any],
    ) -> Run:
        return fit(
            train,
            val,
            method=self.method,
            recipe=self.recipe,
            encoders=self.encoders,
            seed=seed,
            val_share=self.val_share,
            cells=self.cells,
            logger=self.logger,
            callbacks=deepcopy(list(self.callbacks or ())),
            **{"threads": 1, **settings},
        )

    def _samples(self, X: Any, present: Any, first: bool = False) -> MultimodalDataset:  # noqa: ANN401
        """Return samples without labels; a table or array is checked as scikit-learn does."""
        if isinstance(X, MultimodalDataset):
            return X.labelled(None)
        # Some sparse matrices are mappings, too.
        if isinstance(X, Mapping) and not hasattr(X, "shape"):
            return MultimodalDataset(X, present=present, kinds=self.kinds)
        names = list(getattr(X, "columns", ()))
        # With a single modality, NaN could only mean a sample without any, or a missing cell.
        finite = "allow-nan" if self._reads_nan else True
        array = validate_data(self, X, reset=first, ensure_all_finite=finite).astype(np.float64)
        blocks = self.blocks or {"x": range(array.shape[1])}
        inputs = {}
        for name, columns in blocks.items():
            for column in columns:
                known = names if isinstance(column, str) else range(-array.shape[1], array.shape[1])
                if column not in known:
                    raise ValueError(
                        f"blocks: {name} has the column {column!r}, which is not in X with "
                        f"{array.shape[1]} columns{'; ' * bool(names)}"
                        f"{nearest(str(column), names) if names else ''}"
                    )
            numbers = [names.index(c) if isinstance(c, str) else c for c in columns]
            inputs[name] = array[:, numbers]
        return MultimodalDataset(inputs, present=present, kinds=self.kinds)

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401
        """Return what scikit-learn may expect: with blocks, NaN is read, as absence."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self._reads_nan
        return tags

    @property
    def _reads_nan(self) -> bool:
        return bool(self.blocks) or self.cells != "refuse"

    def _checked(self, y: Any) -> Array:  # noqa: ANN401
        """Return targets as an array, checked as scikit-learn does."""
        raise NotImplementedError

    def _learnt(self, y: Array) -> tuple[Array, Choice]:
        """Return the targets to train on, and their kind; remember the labels."""
        raise NotImplementedError

    def _known(self, y: Array) -> Array:
        """Return targets to score on as `_learnt` returned those of the training."""
        return y


class MultimodalClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """Classifier of samples with several modalities, some of which may be absent.

    X is a mapping from modalities to arrays ``(n, ...)``, a `MultimodalDataset`, a DataFrame, or an
    array ``(n, features)``. A mapping cannot be split by scikit-learn: give cross-validation a
    `MultimodalDataset`. In a table, a row whose columns of a modality are all NaN lacks it.

    Args:
        method: Name of the method, or its settings; by default that of `dmrnet.fit`.
        recipe: Recipe of a method that is named.
        blocks: Columns of each modality, by name or number, where X is a table or an array; by
            default all columns are one modality, ``x``.
        kinds: Layout of modalities whose shape is ambiguous; see `MultimodalDataset`.
        encoders: Encoder of a modality by name; see `dmrnet.fit`.
        training: Settings of training by name, such as ``{"max_epochs": 20, "lr": 0.1}``.
        val_share: Share of the samples that is held out to choose the epoch; whole groups where
            `fit` is given groups.
        refit: Train once more on all samples, for as many epochs as the first training chose.
        random_state: Seed, generator or None.
        cells: What stands for missing cells, NaN in part of a modality; see `dmrnet.fit`.
        logger: Logger of the training; see `dmrnet.fit`. Those by name that write into the run's
            folder are refused, since it is temporary: give one of Lightning.
        callbacks: Callbacks of Lightning; each training gets copies, so that none starts with what
            another has counted.

    Attributes:
        classes_: Labels, sorted; with several labels per row (`y` of 0 and 1, ``(n, M)``) the
            numbers of the columns.
        run_: The trained `Run`.

    >>> import numpy as np
    >>> X = {"a": np.eye(2).repeat(20, 0), "b": [None if i % 4 else [1.0] for i in range(40)]}
    >>> y = np.repeat(["no", "yes"], 20)
    >>> few = {"max_epochs": 8, "threads": 1}
    >>> model = MultimodalClassifier("sf-md", training=few, random_state=0).fit(X, y)
    >>> model.predict({"a": [[1.0, 0.0], [0.0, 1.0]]}).tolist()
    ['no', 'yes']
    """

    def _checked(self, y: Any) -> Array:  # noqa: ANN401
        shape = np.asarray(y).shape
        several = len(shape) == 2 and shape[1] > 1 and type_of_target(y) == "multilabel-indicator"
        y = check_array(y, dtype=np.int64) if several else column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        return np.asarray(y)

    def _learnt(self, y: Array) -> tuple[Array, Choice]:
        self.multilabel_ = y.ndim == 2
        if self.multilabel_:
            self.classes_ = np.arange(y.shape[1])
            return y, "multi-label"
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("expected at least two classes, got one class")
        return codes, "classes"

    def _known(self, y: Array) -> Array:
        if self.multilabel_:
            return y
        codes = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        unknown = np.flatnonzero(self.classes_[codes] != y)
        if len(unknown):
            raise ValueError(f"y: row {unknown[0]} has a label that training never had")
        return np.asarray(codes)

    def predict_proba(self, X: Any, present: Any = None) -> Array:  # noqa: ANN401
        """Return the probability of each of `classes_`, or of each label, float ``(n, M)``.

        Raises:
            ValueError: If a sample has no modality.
        """
        check_is_fitted(self)
        data = self._samples(X, present)
        probabilities: Array = self.run_.predict_proba(data)
        nothing = np.flatnonzero(np.isnan(probabilities).any(1))
        if len(nothing):
            raise ValueError(f"row {nothing[0]} has no modality ({len(nothing)} such rows)")
        # Normalised in float64, so that rows sum up to 1 to its precision.
        wide = probabilities.astype(np.float64)
        if self.multilabel_:
            return wide
        return np.asarray(wide / wide.sum(1, keepdims=True))

    def predict(self, X: Any, present: Any = None) -> Array:  # noqa: ANN401
        """Return the most probable label of each sample, ``(n,)``; of several, ``(n, M)``."""
        probabilities = self.predict_proba(X, present)
        if self.multilabel_:
            return np.asarray(probabilities > 0.5, dtype=np.int64)
        return np.asarray(self.classes_[probabilities.argmax(1)])

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401
        """Return what scikit-learn may expect: several labels per row as well."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MultimodalRegressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """Regressor of samples with several modalities, some of which may be absent.

    X and the parameters are those of `MultimodalClassifier`. Targets are standardised inside, by
    the training samples; predictions are in their unit. The epoch is chosen by the mean absolute
    error of one target, by R² of several.

    Attributes:
        run_: The trained `Run`.

    >>> import numpy as np
    >>> a = np.linspace(0, 1, 60)[:, None]
    >>> X = {"a": a, "b": [None if i % 4 else [1.0] for i in range(60)]}
    >>> few = {"max_epochs": 30, "threads": 1}
    >>> model = MultimodalRegressor("sf-md", training=few, random_state=0).fit(X, 500 + a[:, 0])
    >>> bool(abs(model.predict({"a": [[0.5]]})[0] - 500.5) < 0.2)
    True
    """

    def _checked(self, y: Any) -> Array:  # noqa: ANN401
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        return np.asarray(column_or_1d(y, warn=True) if y.shape[1:] == (1,) else y)

    def _learnt(self, y: Array) -> tuple[Array, Choice]:
        return y, "regression"

    def predict(self, X: Any, present: Any = None) -> Array:  # noqa: ANN401
        """Return the predicted numbers, float64 ``(n,)`` or ``(n, D)``.

        Raises:
            ValueError: If a sample has no modality.
        """
        check_is_fitted(self)
        predicted: Array = self.run_.predict(self._samples(X, present))
        return predicted

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401
        """Return what scikit-learn may expect: several targets as well."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
