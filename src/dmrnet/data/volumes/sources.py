"""Cases in the forms that people bring: arrays of a file or of Python, samples read one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from dmrnet.data.files.archive import open_source
from dmrnet.data.files.arrays.bad_rows import skipped_rows
from dmrnet.data.files.arrays.disguise import absent_rows, block_notes
from dmrnet.data.files.arrays.labels import text
from dmrnet.data.files.arrays.layout import by
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.arrays.source import PRESENT, SAMPLES, TARGET, ArraySource, Source
from dmrnet.data.files.images import image_layout
from dmrnet.data.files.rules import FileRules
from dmrnet.data.python.items import LazyDataset
from dmrnet.data.python.records import SomeItems
from dmrnet.data.splits.groups import NO_GROUPS, known_groups
from dmrnet.data.volumes.cases import (
    CaseIndex,
    Cases,
    Scan,
    array_of,
    is_nothing,
    scan,
)

LABEL_AXES = 4
"""Axes of labels ``(n, D, H, W)`` of volumes."""


class ArrayCases:
    """Cases of arrays ``(n, C, D, H, W)`` by name and labels ``(n, D, H, W)``, if there are any."""

    def __init__(
        self, arrays: Mapping[str, Array], present: Array | None, labels: Array | None
    ) -> None:
        self.arrays, self.present, self.labels = dict(arrays), present, labels

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, row: int) -> tuple[dict[str, Array], Array | None]:
        """Return the arrays of a case that it has, and its labels."""
        values = {
            name: array[row]
            for column, (name, array) in enumerate(self.arrays.items())
            if self.present is None or self.present[row, column]
        }
        return values, None if self.labels is None else self.labels[row]


class LazyCases:
    """Cases of a `LazyDataset`, whose arrays are not copied; without labels if not `labelled`."""

    def __init__(self, data: LazyDataset, labelled: bool = True) -> None:
        self.data, self.labelled = data, labelled

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.data)

    def __getitem__(self, row: int) -> tuple[Mapping[str, Any], Any]:
        """Return the arrays of a case and its labels."""
        values, label = self.data.raw(row)
        absent = self.data.absent
        return {
            name: value
            for name, value in values.items()
            if not (
                name in absent
                and value is not None
                and absent_rows(np.asarray(value)[None], absent[name])[0]
            )
        }, label if self.labelled else None


class LazyImages(LazyCases):
    """Images of a `LazyDataset` with a class for every pixel, as volumes of one slice.

    Args:
        data: The images.
        labelled: Whether to read labels.
        channels: Number of channels of each modality; empty where it is not known yet.
    """

    def __init__(self, data: LazyDataset, labelled: bool, channels: Mapping[str, int]) -> None:
        super().__init__(data, labelled)
        self.channels = channels

    def __getitem__(self, row: int) -> tuple[Mapping[str, Any], Any]:
        """Return the images ``(C, 1, H, W)`` of a sample and its labels ``(1, H, W)``."""
        values, label = super().__getitem__(row)
        where, size = f"{self.data.path}: case {row}", None
        if label is not None:
            label = np.asarray(array_of(label))
            plane = label[0] if label.shape[:1] == (1,) else label
            label = (plane[..., 0] if plane.ndim == LABEL_AXES - 1 else plane)[None]
            size = tuple(label.shape[1:])
        slices = {}
        for name, value in values.items():
            array = array_of(value)
            if array is None or is_nothing(array):
                continue
            _, last = image_layout(where, name, array.shape, self.channels.get(name), size)
            image = np.moveaxis(array, -1, 0) if last else array
            slices[name] = (image if image.ndim == LABEL_AXES - 1 else image[None])[:, None]
        return slices, label


def dense_digest(data: LazyDataset) -> str | None:
    """Return the fingerprint of samples with a class for every pixel or voxel; None of others."""
    if not data.label_axes:
        return None
    pixels = data.label_axes == LABEL_AXES - 2
    cases = LazyImages(data, True, {}) if pixels else LazyCases(data)
    return scan(data.path, cases, cells=True).content


class Opened:
    """Cases of a source with what one reading of them finds.

    Args:
        source: Path of an ``.npz`` file, or data of Python.
        rules: Settings of the files.
        labelled: Whether every case must have labels; else they are not read.
        channels: Modalities of a training with their channels; None learns them from the cases.
        cells: Whether cases may hold NaN, for cells that are missing.
        pixels: Whether samples are images with a class for every pixel, read lazily.

    Attributes:
        path: Name of the source.
        cases: The cases.
        scan: What is known of them.
        names: Names of the cases.
        groups: Group of each case; None where they are independent.
        skipped: Cases that are left out because they cannot be used.
    """

    def __init__(
        self,
        source: str | Source,
        rules: FileRules,
        *,
        labelled: bool,
        channels: Mapping[str, int] | None = None,
        cells: bool = False,
        pixels: bool = False,
    ) -> None:
        self.groups: tuple[str, ...] | None = None
        self.cases: Cases
        self.setting: Callable[[str, str, float], str]
        if isinstance(source, LazyDataset):
            data = source.where_absent(rules.absent)
            self.setting = data.setting
            self.path, self.cases = data.path, LazyCases(data, labelled)
            if pixels:
                self.cases = LazyImages(data, labelled, channels or {})
            self.names = tuple(str(row) for row in range(len(data)))
            self.groups = data.groups
        else:
            assert isinstance(source, str | ArraySource)
            self._open_arrays(open_source(source, rules.groups), rules, labelled, channels)
        assert isinstance(source, LazyDataset | str | ArraySource)
        skip = not isinstance(source, str) and source.bad_rows == "skip"
        number = len(self.cases)
        self.scan: Scan = scan(
            self.path, self.cases, channels, labelled=labelled, skip=skip, cells=cells
        )
        self.skipped = skipped_rows(self.scan.bad, self.names)
        if self.skipped:
            kept = [row for row in range(number) if row not in self.scan.bad]
            self.cases = SomeItems(self.cases, kept)
            self.names = tuple(self.names[row] for row in kept)
            self.groups = self.groups and tuple(self.groups[row] for row in kept)

    def _open_arrays(
        self,
        source: ArraySource,
        rules: FileRules,
        labelled: bool,
        channels: Mapping[str, int] | None,
    ) -> None:
        self.path, absent = source.path, {**rules.absent, **source.absent}
        self.setting = source.setting
        if channels is not None:
            source.check_known(tuple(channels))
        labels = None
        if labelled:
            source.check_target("a class for every voxel, (n, D, H, W),")
            labels = source.read(TARGET)
            if labels.ndim != LABEL_AXES:
                raise ValueError(
                    f"{source.path}: expected {TARGET} as whole numbers (n, D, H, W), a class for "
                    f"every voxel, got {labels.dtype} {labels.shape}"
                )
        arrays = {name: source.read(name) for name in source.names}
        rows = len(next(iter(arrays.values())))
        for name, array in {**arrays, **({} if labels is None else {TARGET: labels})}.items():
            if len(array) != rows:
                raise ValueError(
                    f"{source.path}: {name} has {len(array)} rows but {next(iter(arrays))} has "
                    f"{rows}; row i of every array must be sample i"
                )
        present = source.read(PRESENT) if PRESENT in source.reserved else None
        if present is not None and (
            present.dtype != np.bool_ or present.shape != (rows, len(arrays))
        ):
            raise ValueError(
                f"{source.path}: expected present as bool ({rows}, {len(arrays)}), a column for "
                f"each of {', '.join(arrays)}; got {present.dtype} {present.shape}"
            )
        for column, (name, array) in enumerate(arrays.items()):
            if name in absent:
                # A copy: the samples may be the user's.
                every = np.ones((rows, len(arrays)), dtype=np.bool_)
                present = every if present is None else present.copy()
                present[:, column] &= ~absent_rows(array, absent[name])
        self.cases = ArrayCases(arrays, present, labels)
        self.names = tuple(str(row) for row in range(rows))
        if SAMPLES in source.reserved:
            self.names = tuple(text(name) for name in source.read(SAMPLES))
        if rules.groups == NO_GROUPS:
            return
        if source.groups in source.reserved:
            self.groups = known_groups(source.read(source.groups))
        elif len(set(self.names)) < len(self.names):
            self.groups = self.names

    def reading_notes(self) -> list[str]:
        """Return sentences on how the first volume of each modality was read."""
        notes: dict[str, str] = {}
        for row in range(len(self.cases)):
            if len(notes) == len(self.scan.channels):
                break
            values: Mapping[str, Any] = self.cases[row][0]
            for name, channels in self.scan.channels.items():
                shape = np.shape(values[name]) if name in values else ()
                size = tuple(self.scan.sizes[row].tolist())
                if name in notes or not shape:
                    continue
                last = shape == (*size, channels) != (channels, *size)
                notes[name] = (
                    f"{name} ({by(shape)}) read as volume {by((channels, *size))}, channels "
                    f"{'last' if last else 'first'}"
                )
        return list(notes.values())

    def doubts(
        self, role: str, rows: Sequence[int], usual: Mapping[str, float] | None = None
    ) -> tuple[str, ...]:
        """Return sentences on modalities that are one number throughout; see `disguise_notes`.

        Args:
            role: Name of the split, with which they begin.
            rows: Numbers of its cases.
            usual: Numbers that modalities are throughout training; None for training.
        """
        notes = []
        for column, name in enumerate(self.scan.channels):
            some = [self.scan.constant[row].get(name) for row in rows]
            counts = Counter(value for value in some if value is not None)
            number = int(self.scan.present[list(rows), column].sum())
            notes += block_notes(name, dict(counts.most_common()), number, usual, self.setting)
        return tuple(f"{role}: {note}" for note in notes)

    def index(self, numbers: Sequence[int]) -> CaseIndex:
        """Return the index of the cases; `numbers` is the label of each class."""
        return self.scan.index(self.names, numbers, self.groups)


def without_ignored(labels: torch.Tensor, ignore: int) -> torch.Tensor:
    """Return the labels of a `Scan` that stand for classes."""
    return labels[(labels >= 0) & (labels != ignore)]
