"""Fingerprints of arrays and files: equal content gives equal digits, whatever the file's name."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import torch
from torch import Tensor

BLOCK = 1 << 22
"""Bytes of a file that are read at a time."""


def fingerprint_of_arrays(arrays: dict[str, Tensor]) -> str:
    """Return 16 hexadecimal digits that depend on arrays, their names and their order.

    Numbers count as float32, since whether a file is read in float64 depends on another file.
    """
    digest = blake2b(digest_size=8)
    for name, array in arrays.items():
        digest.update(repr((name, tuple(array.shape))).encode())
        # An expanded row stands for all rows.
        digest.update(bytes_of((array[:1] if array.stride(0) == 0 else array).float()))
    return digest.hexdigest()


def bytes_of(tensor: Tensor) -> memoryview:
    """Return the bytes of a tensor on the CPU."""
    return tensor.contiguous().flatten().view(torch.uint8).numpy().data


def fingerprint_of_bytes(data: bytes) -> str:
    """Return what `fingerprint_of_file` returns for a file with this content."""
    return blake2b(data, digest_size=8).hexdigest()


def fingerprint_of_file(path: str | Path) -> str:
    """Return 16 hexadecimal digits that depend on the content of a file."""
    digest = blake2b(digest_size=8)
    with Path(path).open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
