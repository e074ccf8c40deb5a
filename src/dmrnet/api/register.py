"""Decorators that add methods, data sets, encoders and metrics to the open lists.

What is registered is there in this process only. A package offers the same to every command by
entry points of the groups ``dmrnet.methods``, ``dmrnet.datasets``, ``dmrnet.encoders`` and
``dmrnet.metrics``, under the same names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from dmrnet.data.registry import DATASETS
from dmrnet.methods import METHODS
from dmrnet.methods.default import AUTO

Item = TypeVar("Item")


def register_method(name: str) -> Callable[[Item], Item]:
    """Return a decorator that adds a method.

    It decorates a function from a `Task` to a `Method`, or, for settings that flags and studies
    can change, a subclass of `MethodSettings`.

    Args:
        name: Name of the method.

    Raises:
        ValueError: If the name stands for another method.
    """
    if name == AUTO:
        raise ValueError(f"the name {AUTO!r} stands for the method of a task; choose another")

    def add(item: Item) -> Item:
        if isinstance(item, type):
            item.name = name  # type: ignore[attr-defined]
        return METHODS.register(name)(item)

    return add


def register_dataset(name: str) -> Callable[[Item], Item]:
    """Return a decorator that adds a data set: a frozen dataclass that inherits `DataSettings`."""
    return DATASETS.register(name)


def register_encoder(name: str) -> Callable[[Item], Item]:
    """Return a decorator that adds an encoder.

    It decorates a module's class, or a function that returns a module; either may take the
    `Modality` that is encoded. Settings choose it by name: ``--method.network.encoders.NAME``.
    """
    from dmrnet.nn.encoders.own import ENCODERS

    return ENCODERS.register(name)


def register_metric(name: str) -> Callable[[Item], Item]:
    """Return a decorator that adds a metric, which every evaluation of classes then reports.

    It decorates a function from probabilities ``(n, M)`` and classes ``(n,)`` to a number.
    """
    from dmrnet.engine.scores.own_metrics import METRICS

    return METRICS.register(name)
