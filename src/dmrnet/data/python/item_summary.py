"""Facts on samples that are read one by one, known after reading each of them once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, overload

import numpy as np
import torch
from torch.utils.data import DataLoader

from dmrnet.data.files.arrays.bad_rows import reason_of
from dmrnet.data.files.arrays.disguise import LARGE_BLOCK
from dmrnet.data.files.arrays.objects import array_hash, kind_of_ragged

if TYPE_CHECKING:
    from dmrnet.data.python.items import LazyDataset

Item = tuple[dict[str, Any], Any]
"""Arrays of a sample by modality, and its label."""

V = TypeVar("V", int, float)


@dataclass
class Summary:
    """Modalities, labels and shapes of all samples.

    Attributes:
        shapes: Shape of one sample of each modality; of sequences that differ in length, that of
            the longest.
        kinds: Kind of each modality whose sequences differ in length.
        row_shapes: Shape of each modality of each sample.
        labels: Label of each sample.
        missing: Number of missing cells, which are NaN, by modality and sample; those without any
            are left out.
        digest: Fingerprint of arrays and labels.
        hashes: Hash of the array of each modality of each sample.
        constant: Number that a block of several values is throughout, by modality and sample.
        bad: Why a sample cannot be read, by its number; only where such samples are skipped.
    """

    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    row_shapes: list[dict[str, tuple[int, ...]]] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    missing: dict[str, dict[int, int]] = field(default_factory=dict)
    digest: str = ""
    hashes: list[dict[str, int]] = field(default_factory=list)
    constant: dict[str, dict[int, float]] = field(default_factory=dict)
    bad: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, data: LazyDataset) -> Summary:
        """Read all samples.

        Raises:
            ValueError: If samples of a modality differ in shape, other than sequences in length;
                they may where bad samples are skipped.
        """
        summary, digest = cls(), blake2b(digest_size=4)
        for row, item in enumerate(in_order(data)):
            if isinstance(item, BadItem):
                summary.bad[row] = item.reason
                item = ({}, None)
            inputs, label = item
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
            summary.labels.append(label)
        summary.digest = digest.hexdigest()
        if data.bad_rows == "refuse":
            summary.measure(data.kinds)
        return summary

    def measure(self, stated: Mapping[str, str]) -> None:
        """Set the shapes of all modalities; raise `ValueError` if samples of one differ in it."""
        for name in dict.fromkeys(name for shapes in self.row_shapes for name in shapes):
            self._measure(name, stated.get(name))

    def restricted(self, rows: Sequence[int]) -> Summary:
        """Return what is known of some samples, without the shapes of modalities."""
        place = {row: k for k, row in enumerate(rows)}

        def moved(counts: Mapping[str, Mapping[int, V]]) -> dict[str, dict[int, V]]:
            found = {
                name: {place[row]: value for row, value in some.items() if row in place}
                for name, some in counts.items()
            }
            return {name: some for name, some in found.items() if some}

        return Summary(
            row_shapes=[self.row_shapes[row] for row in rows],
            labels=[self.labels[row] for row in rows],
            missing=moved(self.missing),
            digest=blake2b(repr((self.digest, *rows)).encode(), digest_size=4).hexdigest(),
            hashes=[self.hashes[row] for row in rows],
            constant=moved(self.constant),
        )

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


class BadItem(NamedTuple):
    """Why a sample cannot be read."""

    reason: str


class _Guarded:
    """Samples of which those that cannot be read become a `BadItem`, also in worker processes."""

    def __init__(self, data: LazyDataset) -> None:
        self.data = data

    def __getitem__(self, row: int) -> Item | BadItem:
        try:
            return self.data[row]
        # A data set of the user's own may raise anything on a damaged file.
        except Exception as error:
            return BadItem(reason_of(error, f"sample {row}"))


@overload
def in_order(data: LazyDataset) -> Iterator[Item | BadItem]: ...


@overload
def in_order(data: LazyDataset, rows: Sequence[int]) -> Iterator[Item]: ...


def in_order(data: LazyDataset, rows: Sequence[int] | None = None) -> Iterator[Any]:
    """Read samples in order, by the worker processes of the data set.

    Where all are read and bad ones are skipped, those that cannot be read are a `BadItem`.
    """
    source = _Guarded(data) if rows is None and data.bad_rows == "skip" else data
    rows = range(len(data)) if rows is None else rows
    if not data.workers:
        return (source[row] for row in rows)
    loader: DataLoader[Item] = DataLoader(
        source,  # type: ignore[arg-type]
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
