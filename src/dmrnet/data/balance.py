"""Classes of unequal frequency in training: weights in the loss, and a balanced draw of rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from dmrnet.hints import nearest

NO_WEIGHTS = "none"


def class_weights_of(setting: str, classes: Sequence[str], counts: Tensor) -> Tensor | None:
    """Return the weight of each class in the loss, float32 ``(M,)``; None for 1 each.

    Args:
        setting: ``none``; ``balanced``, n / (M n_c) with n_c samples of class c, of M classes that
            have any; ``root``, the square root of that; or weights by name, ``ill=10,well=1``.
            Classes that are not named weigh 1.
        classes: Names of the classes.
        counts: int64 ``(M,)``, number of training samples of each class.

    Raises:
        ValueError: If the setting is none of these, names no class, or a weight is below 0.

    >>> class_weights_of("balanced", ("well", "ill"), torch.tensor([90, 10])).tolist()
    [0.5555555820465088, 5.0]
    """
    if setting == NO_WEIGHTS:
        return None
    if setting in ("balanced", "root"):
        occurring = counts > 0
        weights = torch.where(occurring, counts.sum() / (occurring.sum() * counts.double()), 0.0)
        return (weights.sqrt() if setting == "root" else weights).float()
    weight = torch.ones(len(classes))
    for part in setting.split(","):
        name, equals, number = (text.strip() for text in part.rpartition("="))
        if not equals:
            raise ValueError(
                "class_weights: expected none, balanced, root or weights by name such as "
                f"{classes[-1]}=10, got {setting!r}"
            )
        if name not in classes:
            raise ValueError(f"class_weights: there is no class {name!r}; {nearest(name, classes)}")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf:
            raise ValueError(f"class_weights: expected a weight of 0 or more, got {part.strip()!r}")
        weight[list(classes).index(name)] = value
    if not bool((weight * counts).any()):
        raise ValueError(f"class_weights: every sample would weigh 0, got {setting!r}")
    return weight


def balanced_rows(target: Tensor, draw: torch.Generator) -> Tensor:
    """Draw as many rows as there are, with replacement, each class as likely as another.

    Args:
        target: int64 ``(n,)`` of classes.
        draw: Generator of the draw.

    Returns:
        int64 ``(n,)``, numbers of rows in the order of the draw.
    """
    order = target.argsort(stable=True)
    size = target.bincount()
    first = size.cumsum(0) - size
    occurring = size.nonzero().flatten()
    label = occurring[torch.randint(len(occurring), (len(target),), generator=draw)]
    # In float64, so that large classes are reached to their last row.
    at = torch.rand(len(target), dtype=torch.float64, generator=draw) * size[label]
    return order[first[label] + at.long()]
