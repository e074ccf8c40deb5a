"""What each test sample was made of, kept beside its predictions so that it can be resampled."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from dmrnet.data.dataset import Dataset


def sources_of(data: object, dataset: Dataset, index: Tensor) -> dict[str, Any]:
    """Return what samples share: two of one source are not two independent samples.

    A data set whose samples share files or people says which in ``sources(sample)`` of its
    settings: one text for a sample, or one for each modality in order, where samples are put
    together from files. Otherwise each named sample is a source of its own.

    Args:
        data: The settings of the data set; of another file, anything without ``sources``.
        dataset: The samples.
        index: int64, ``(n,)``: the rows, in the order of the predictions.

    Returns:
        ``source``, text ``(n,)`` or ``(n, V)``; nothing where samples have no names.
    """
    names = getattr(dataset, "samples", None)
    if names is None:
        return {}
    of = getattr(data, "sources", None)
    found = [names[row] if of is None else of(names[row]) for row in index.tolist()]
    return {"source": np.array(found)}
