"""What is known of samples that are read one by one after reading each of them once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from dmrnet.data.files.arrays.disguise import LARGE_BLOCK
from dmrnet.data.files.arrays.objects import array_hash, kind_of_ragged

if TYPE_CHECKING:
    from dmrnet.data.python.items import LazyDataset

Item = tuple[dict[str, Any], Any]
"""Arrays of a sample by modality, and its label."""


@dataclass
class Summary:
    """Modalities, labels and shapes of all samples.

    Attributes:
        shapes: Shape of one sample of each modality; of sequences that differ in length, that of
            the longest.
        kinds: Kind of each modality whose sequences differ in length.
        row_shapes: Shape of each modality of each sample.
        has: Names of the modalities of each sample.
        labels: Label of each sample.
        missing: Number of missing cells, which are NaN, by modality and sample; those without any
            are left out.
        digest: Fingerprint of arrays and labels.
        hashes: Hash of the array of each modality of each sample.
        constant: Number that a block of several values is throughout, by modality and sample.
    """

    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    row_shapes: list[dict[str, tuple[int, ...]]] = field(default_factory=list)
    has: list[frozenset[str]] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    missing: dict[str, dict[int, int]] = field(default_factory=dict)
    digest: str = ""
    hashes: list[dict[str, int]] = field(default_factory=list)
    constant: dict[str, dict[int, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, data: LazyDataset) -> Summary:
        """Read all samples.

        Raises:
            ValueError: If samples of a modality differ in shape, other than sequences in length.
        """
        summary, digest = cls(), blake2b(digest_size=4)
        for row, (inputs, label) in enumerate(in_order(data)):
            hashes: dict[str, int] = {}
            for name, array in inputs.items():
                if gaps := int(np.isnan(array).sum()):
                    summary.missing.setdefault(name, {})[row] = gaps
                if array.size >= LARGE_BLOCK and bool((array == array.flat[0]).all()):
                    summary.constant.setdefault(name, {})[row] = float(array.flat[0])
                digest.update(name.encode())
                numbers = np.ascontiguousarray(array)
                digest.update(numbers.data)
                hashes[name] = array_hash(numbers)
            summary.hashes.append(hashes)
            summary.row_shapes.append({name: array.shape for name, array in inputs.items()})
            digest.update(repr(label).encode())
            summary.has.append(frozenset(inputs))
            summary.labels.append(label)
        summary.digest = digest.hexdigest()
        for name in dict.fromkeys(name for shapes in summary.row_shapes for name in shapes):
            summary._measure(name, data.kinds.get(name))
        return summary

    def _measure(self, name: str, stated: str | None) -> None:
        """Set the shape of a modality; raise `ValueError` if samples differ in it."""
        rows = [(row, has[name]) for row, has in enumerate(self.row_shapes) if name in has]
        sizes = Counter(shape for _, shape in rows)
        first = rows[0][1]
        self.shapes[name] = first
        if len(sizes) == 1:
            return
        kind = kind_of_ragged(name, sizes, stated)
        if kind is None:
            row, other = next(one for one in rows if one[1] != first)
            raise ValueError(
                f"modality {name}: expected samples of one shape, got {first} before and {other} "
                f"in sample {row}; resize or pad them; sequences that differ in length are read "
                f"with kinds {name}=sequence (or sequence-last, for steps first)"
            )
        self.kinds[name] = kind
        self.shapes[name] = tuple(max(some) for some in zip(*sizes, strict=True))


def in_order(data: LazyDataset, rows: Sequence[int] | None = None) -> Iterator[Item]:
    """Read samples in order, by the worker processes of the data set."""
    rows = range(len(data)) if rows is None else rows
    if not data.workers:
        return (data[row] for row in rows)
    loader: DataLoader[Item] = DataLoader(
        data,  # type: ignore[arg-type]
        batch_size=None,
        sampler=rows,
        num_workers=data.workers,
        collate_fn=_unchanged,
        # The seed of the workers is not used, and must not be drawn from the global generator.
        generator=torch.Generator(),
    )
    return iter(loader)


def _unchanged(item: Any) -> Any:  # noqa: ANN401
    return item
