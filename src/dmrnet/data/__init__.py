"""Data sets: their settings and splits, reading of files, and batches. Importing it loads no torch.

`sets` has the data sets that a user trains on; `tables`, `volumes` and `brats` read tables, volumes
and cases of BraTS; `python` takes samples given in Python. `published` decodes published files,
`files` reads and writes files. `inputs` turns stored rows into inputs of a model, `splits` splits
rows, `checks` describes splits and warns. Files of this room: the base classes of data sets
(`dataset`), loaders, balance of classes, absence made on purpose, tiles of images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmrnet.data.registry import DATASETS, data_class
from dmrnet.data.sets.base import DataSettings
from dmrnet.lazy import lazy_names

if TYPE_CHECKING:
    from dmrnet.data.checks.description import describe
    from dmrnet.data.dataset import ArrayDataset, Dataset, Splits
    from dmrnet.data.files.export import export
    from dmrnet.data.files.reading import read_split
    from dmrnet.data.inputs.standardise import Standardiser
    from dmrnet.data.loader import TrainLoader, evaluation_batches
    from dmrnet.data.published import prepare

__all__ = [
    "DATASETS",
    "ArrayDataset",
    "DataSettings",
    "Dataset",
    "Splits",
    "Standardiser",
    "TrainLoader",
    "data_class",
    "describe",
    "evaluation_batches",
    "export",
    "prepare",
    "read_split",
]

_HOME = {
    "ArrayDataset": "dmrnet.data.dataset",
    "Dataset": "dmrnet.data.dataset",
    "Splits": "dmrnet.data.dataset",
    "Standardiser": "dmrnet.data.inputs.standardise",
    "TrainLoader": "dmrnet.data.loader",
    "describe": "dmrnet.data.checks.description",
    "evaluation_batches": "dmrnet.data.loader",
    "export": "dmrnet.data.files.export",
    "prepare": "dmrnet.data.published",
    "read_split": "dmrnet.data.files.reading",
}
"""Modules of the public names that need torch, imported on first use (PEP 562)."""

__getattr__, __dir__ = lazy_names(__name__, _HOME)
