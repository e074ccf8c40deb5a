"""What each test sample was made of, kept beside its predictions so that it can be resampled."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.data.sets.base import DataSettings


def sources_of(data: DataSettings | None, dataset: Dataset, index: Tensor) -> dict[str, Any]:
    """Return what samples share: two of one source are not two independent samples.

    Args:
        data: Settings of the data set, whose `sources` says what samples share; None for another
            file, each of whose samples is a source of its own.
        dataset: The samples.
        index: int64, ``(n,)``: the rows, in the order of the predictions.

    Returns:
        ``source``, text ``(n,)`` or ``(n, V)``; nothing where samples have no names.
    """
    names = dataset.samples
    if names is None:
        return {}
    sources = [names[row] if data is None else data.sources(names[row]) for row in index.tolist()]
    return {"source": np.array(sources)}
