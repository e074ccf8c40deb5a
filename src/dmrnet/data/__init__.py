"""Data sets: their settings and splits, reading of files, and batches. Importing it loads no torch.

`sets` has what a user can train on, `published` the decoding of published files, `files` the
reading and writing of files, `tables` tables of samples, `python` samples given in Python. `inputs`
leads from stored rows to inputs of a model, `splits` splits rows, `checks` describes and doubts
them. Next to these rooms are what data sets are made of, and the loaders.
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
