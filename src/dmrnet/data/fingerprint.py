"""What data are, in a few letters: equal content gives equal letters, whatever the file's name."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from dmrnet.data.dataset import Dataset

AT_ONCE = 1 << 22
"""Bytes of a file that are read together."""


def fingerprint(dataset: Dataset) -> str:
    """Return 16 hexadecimal digits that follow from the samples of a split, in their order.

    The numbers are those before standardising, which other threads may round otherwise. A data set
    that is larger than memory brings its `content`: that of the files it was prepared from.
    """
    digest = blake2b(digest_size=8)
    digest.update(repr((dataset.task.modalities, dataset.task.classes, len(dataset))).encode())
    digest.update(repr(getattr(dataset, "samples", None)).encode())
    _add(digest, dataset.present)
    _add(digest, dataset.target)
    digest.update(getattr(dataset, "content", "").encode())
    return digest.hexdigest()


def fingerprint_of_arrays(arrays: dict[str, Tensor]) -> str:
    """Return 16 hexadecimal digits that follow from arrays, their names and their order.

    Numbers count as float32, since whether a file is read in float64 depends on another.
    """
    digest = blake2b(digest_size=8)
    for name, array in arrays.items():
        digest.update(repr((name, tuple(array.shape))).encode())
        # One row of zeros may stand for all rows.
        _add(digest, (array[:1] if array.stride(0) == 0 else array).float())
    return digest.hexdigest()


def _add(digest: blake2b, tensor: Tensor) -> None:
    digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)


def fingerprint_of_bytes(data: bytes) -> str:
    """Return what `fingerprint_of_file` does of a file with this content."""
    return blake2b(data, digest_size=8).hexdigest()


def fingerprint_of_file(path: str | Path) -> str:
    """Return 16 hexadecimal digits that follow from the content of a file."""
    digest = blake2b(digest_size=8)
    with Path(path).open("rb") as stream:
        while part := stream.read(AT_ONCE):
            digest.update(part)
    return digest.hexdigest()
