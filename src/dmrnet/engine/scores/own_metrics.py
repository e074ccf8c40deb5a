"""Metrics of the user's own, computed from the predictions of every combination."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor

from dmrnet.engine.scores.rows import Line
from dmrnet.evaluation import Evaluation
from dmrnet.modalities import name_of
from dmrnet.registry import Registry
from dmrnet.text import check_plain

MetricFunction = Callable[[Tensor, Tensor], Tensor | float]
"""Function, or metric object of torchmetrics, from probabilities ``(n, M)`` and classes, int64
``(n,)``, to a number. Labels are int64 ``(n, M)``; in regression both are float64 ``(n, D)``."""

METRICS: Registry[MetricFunction] = Registry("metric", "dmrnet.metrics", {})
"""Metrics that every evaluation reports besides its own, by name."""


def own_lines(
    result: Evaluation, modalities: tuple[str, ...], metrics: Mapping[str, MetricFunction]
) -> Iterator[Line]:
    """Yield the registered metrics and some others of each combination.

    Args:
        result: Evaluation with predictions.
        modalities: V names.
        metrics: Metrics besides the registered ones, by name.

    Raises:
        ValueError: If predictions were too many to keep, a name is taken, or a metric does not
            return a number.
    """
    wanted = {name: METRICS.load(name) for name in METRICS} | dict(metrics)
    if not wanted:
        return
    predictions = result.predictions
    if predictions is None:
        raise ValueError(
            "expected predictions small enough to keep for own metrics, got too many samples, "
            "combinations and classes; evaluate fewer samples"
        )
    for metric, function in wanted.items():
        check_plain("metric name", metric)
        if metric in ("accuracy", "log_loss", "mae", "rmse", "r2", "map", "kappa"):
            raise ValueError(f"the name {metric!r} stands for a metric already; choose another")
        for number, mask in enumerate(result.combinations.cpu()):
            rows = predictions.scored[number]
            value = _value(
                metric, function, predictions.probabilities[number, rows], predictions.target[rows]
            )
            yield name_of(mask, modalities), metric, value, int(rows.sum())


def check_metrics(metrics: object) -> None:
    """Refuse own metrics that are no functions by name.

    Raises:
        TypeError: If they are something else.
    """
    if metrics is None:
        return
    if not isinstance(metrics, Mapping):
        raise TypeError(
            "expected metrics as a mapping from names to functions, such as "
            f"{{'brier': brier}}, got {type(metrics).__name__}"
        )
    for name, function in metrics.items():
        if not isinstance(name, str) or not callable(function):
            raise TypeError(
                "expected metrics as a mapping from names to functions of probabilities and "
                f"classes, got {name!r}: {type(function).__name__}"
            )


def _value(name: str, function: MetricFunction, probabilities: Tensor, target: Tensor) -> float:
    """Return a metric as a number, NaN without samples; raise `ValueError` if it is none."""
    if not len(target):
        return float("nan")
    if callable(reset := getattr(function, "reset", None)):
        reset()
    value: Any = function(probabilities, target)
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        shape = f" of shape {tuple(value.shape)}" if hasattr(value, "shape") else ""
        raise ValueError(
            f"metric {name}: expected a single number from its function, got "
            f"{type(value).__name__}{shape}"
        ) from error
