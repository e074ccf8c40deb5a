"""Samples given in Python: arrays, tensors, lists or tables, one for each modality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from hashlib import blake2b
from typing import Any, Self

import numpy as np

from dmrnet.data.files.arrays.disguise import absent_rows
from dmrnet.data.files.arrays.ends import nan_after
from dmrnet.data.files.arrays.features import (
    check_same_rows,
    feature_names,
    ordered_categories,
)
from dmrnet.data.files.arrays.labels import Choice, check_target
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.arrays.objects import (
    as_array,
    none_throughout,
    plain_labels,
    rows_of_modality,
)
from dmrnet.data.files.arrays.per_sample import checked_weights, presence_table
from dmrnet.data.files.arrays.resize import parse_size, size_text, sized
from dmrnet.data.files.arrays.source import (
    GROUPS,
    PRESENT,
    RESERVED,
    SAMPLES,
    TARGET,
    ArraySource,
)
from dmrnet.data.python.key import GivenData
from dmrnet.data.python.records import how_to_read, items_of, labels_of_python, record
from dmrnet.data.splits.groups import known_groups
from dmrnet.data.volumes.options import own_volumes
from dmrnet.hints import nearest
from dmrnet.modalities import check_names


class MultimodalDataset(GivenData, ArraySource):
    """Samples of several modalities, some of which may be absent, held in memory.

    A sample lacks a modality where its row is None or nothing but NaN, or where `present` is False.
    A modality that is None in every row, or None itself, is absent everywhere: it is as if it had
    been left out.

    Args:
        inputs: Array ``(n, ...)`` of each modality by name: numpy, torch, pandas, or a list with
            one array per sample, None for absent ones. Row i of every modality is sample i. Images
            are ``(n, C, H, W)``, sequences ``(n, C, T)``, vectors ``(n, features)``. Later tables
            of pandas need the same columns in the same order.
        y: What is to be predicted; None for samples to predict. Text or whole numbers ``(n,)`` are
            classes, numbers with fractions ``(n,)`` or ``(n, D)`` regression, 0 and 1 ``(n, M)``
            several labels.
        present: Bool array ``(n, V)`` in the order of `inputs`, or one ``(n,)`` by name; True where
            a sample has the modality.
        samples: Names of the samples. Samples of one name belong together, as those of a group do.
        groups: Group of each sample, such as its patient, ``(n,)``: where a share of the samples is
            held out, it is whole groups. ``range(n)`` makes each sample a group of its own.
        kinds: Layout of modalities whose shape is ambiguous: vector, sequence, image or volume,
            channels first, or with ``-last`` channels last.
        weights: Weight of each sample in the training loss, ``(n,)``, 0 or more; by default 1.
        absent: Number that stands for an absent block, by modality: a sample lacks a modality that
            is this number throughout. A run keeps it for later samples.
        size: Height and width to which images are resized, a side or a pair for all images, or by
            modality. A run keeps it for later arrays.
        lengths: Number of steps of each sample, ``(n,)``, by the name of a padded sequence. Lists
            and object arrays of sequences that differ in length need none, nor do steps of NaN.
        target: What `y` is: classes, ordinal (ordered classes, as an ordered categorical of pandas
            is by default), multi-label or regression; otherwise it is recognised.
        labels: Names of the columns of `y`, of labels or numbers; or ordered classes from the
            lowest to the highest.
        volumes: Settings of volumes with a class for every voxel, `y` ``(n, D, H, W)``, by name:
            those of ``--data volumes``, such as ``patch`` or ``regions``. Of images with a class
            for every pixel, `y` ``(n, H, W)``: ``classes``, ``labels``, ``ignore``, ``weights``.
        name: Name of the data, for messages and reports.

    Raises:
        TypeError: If something cannot be read as an array.
        ValueError: If numbers of rows differ, or rows of a modality differ in shape; or if tables
            of pandas have the same index in different orders.

    >>> data = MultimodalDataset({"a": [[1.0, 2.0], None], "b": [[3.0], [4.0]]}, y=["x", "z"])
    >>> data
    MultimodalDataset(2 samples; a (2,) in 1; b (1,) in 2)
    """

    def __init__(
        self,
        inputs: Mapping[str, Any],
        y: Any = None,  # noqa: ANN401
        *,
        present: Any = None,  # noqa: ANN401
        samples: Sequence[str] | Array | None = None,
        groups: Any = None,  # noqa: ANN401
        kinds: Mapping[str, str] | None = None,
        weights: Any = None,  # noqa: ANN401
        absent: Mapping[str, float] | None = None,
        size: Any = None,  # noqa: ANN401
        lengths: Mapping[str, Any] | None = None,
        target: Choice = "auto",
        labels: Sequence[str] | None = None,
        volumes: Mapping[str, Any] | None = None,
        name: str = "data",
    ) -> None:
        _check_inputs(inputs)
        given = check_names(list(inputs))
        self.nowhere = {one: inputs[one] for one in given if none_throughout(inputs[one])}
        inputs = {one: inputs[one] for one in given if one not in self.nowhere}
        if not inputs:
            raise ValueError(f"no sample has any modality: None throughout in {', '.join(given)}")
        check_same_rows({**inputs, "y": y, GROUPS: groups, "weights": weights})
        self.features = {
            name: columns for name, value in inputs.items() if (columns := feature_names(value))
        }
        self.volumes = own_volumes(volumes)
        self.path = name
        self.names = tuple(inputs)
        if taken := [one for one in self.names if one in RESERVED]:
            raise ValueError(f"the name {taken[0]!r} is kept for {', '.join(RESERVED)}")
        self.kinds = dict(kinds or {})
        if target == "auto" and labels is None and (order := ordered_categories(y)):
            target, labels = "ordinal", order
        self.target, self.labels = check_target(target, labels)
        sizes = parse_size(size)
        if unknown := [one for one in sizes if one and one not in given]:
            raise ValueError(f"size: no modality {unknown[0]!r}; {nearest(unknown[0], self.names)}")
        self.size = size_text({one: sizes[one] for one in sizes if one not in self.nowhere})
        self._arrays = {
            one: rows_of_modality(one, sized(one, value, sizes), self.kinds)
            for one, value in inputs.items()
        }
        first = self.names[0]
        self._rows = len(self._arrays[first])
        if y is not None:
            self._arrays[TARGET] = _labels(y)
        if present is not None:
            table = presence_table(present, given)
            for one in self.nowhere:
                if table[:, given.index(one)].any():
                    raise ValueError(f"present: samples have {one}, but every row of it is None")
            self._arrays[PRESENT] = table[:, [one in inputs for one in given]]
        if samples is not None:
            self._arrays[SAMPLES] = np.asarray([str(sample) for sample in samples])
        if groups is not None:
            self._arrays[GROUPS] = np.asarray(known_groups(groups))
        self.reserved = tuple(one for one in self._arrays if one in RESERVED)
        self.weights = None if weights is None else checked_weights(weights, self._rows)
        nothing = {one: rows for one, rows in self.nowhere.items() if rows is not None}
        for one, array in {**self._arrays, **nothing}.items():
            if len(array) != self._rows:
                raise ValueError(
                    f"{one} has {len(array)} rows but {first} has {self._rows}; row i of every "
                    "array must be sample i"
                )
        for one, values in (lengths or {}).items():
            if one not in given:
                raise ValueError(f"lengths: no modality {one!r}; {nearest(one, self.names)}")
            if one not in self.names:
                continue
            self._arrays[one] = nan_after(one, self._arrays[one], np.asarray(values), self.kinds)
        for one in absent or {}:
            if one not in given:
                raise ValueError(f"absent: no modality {one!r}; {nearest(one, self.names)}")
        self.absent = {one: value for one, value in (absent or {}).items() if one in self.names}

    @classmethod
    def from_frame(
        cls,
        frame: Any,  # noqa: ANN401
        columns: Mapping[str, str | Sequence[str]],
        y: Any = None,  # noqa: ANN401
        **options: Any,  # noqa: ANN401
    ) -> Self:
        """Return the samples of a pandas DataFrame, one per row.

        Args:
            frame: The table.
            columns: Column or columns of each modality, which become its vector.
            y: Column of the labels, or the labels.
            options: Other arguments of the class; `groups` may be a column, too.

        Raises:
            ValueError: If a column is missing or holds no numbers.
        """
        blocks = {k: [some] if isinstance(some, str) else some for k, some in columns.items()}
        named = [one for one in (y, options.get(GROUPS)) if isinstance(one, str)]
        for name in [*(one for some in blocks.values() for one in some), *named]:
            if name not in frame.columns:
                known = nearest(str(name), map(str, frame.columns))
                raise ValueError(
                    f"expected columns of the table, got {name!r}, which it lacks; {known}"
                )
        inputs = {}
        for modality, names in blocks.items():
            try:
                inputs[modality] = frame[list(names)].to_numpy(dtype=np.float64, na_value=np.nan)
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"modality {modality}: expected columns of numbers, got {', '.join(names)} "
                    f"({error})"
                ) from error
        index = list(frame.index)
        # Numbers repeat where tables were joined, not because rows belong together.
        joined = len(set(index)) < len(index) and all(isinstance(one, int) for one in index)
        options.setdefault("samples", range(len(index)) if joined else index)
        if isinstance(options.get(GROUPS), str):
            options[GROUPS] = frame[options[GROUPS]]
        check_same_rows({"frame": frame, "y": y, GROUPS: options.get(GROUPS)})
        made = cls(inputs, frame[y] if isinstance(y, str) else y, **options)
        made.features = {name: tuple(map(str, some)) for name, some in blocks.items()}
        return made

    @classmethod
    def from_records(
        cls,
        records: Iterable[Any],
        y: Any = None,  # noqa: ANN401
        **options: Any,  # noqa: ANN401
    ) -> Self:
        """Return the samples of a sequence of records, or of a torch data set, one per sample.

        Args:
            records: A mapping from modalities to arrays for each sample, or pairs of such a mapping
                and a label. A modality that a mapping lacks, or that is None, is absent.
            y: Key of the label in the mappings, or the labels.
            options: Other arguments of the class.

        Raises:
            TypeError: If a record is no mapping.
            ValueError: If there are none.
        """
        rows, labels = zip(*map(record, items_of(records)), strict=True)
        key = y if isinstance(y, str) else None
        names = dict.fromkeys(name for row in rows for name in row if name != key)
        inputs = {name: [row.get(name) for row in rows] for name in names}
        if key is not None:
            y = [row.get(key) for row in rows]
        elif y is None and all(label is not None for label in labels):
            y = list(labels)
        return cls(inputs, y, **options)

    def __len__(self) -> int:
        """Return the number of samples."""
        return self._rows

    def __repr__(self) -> str:
        """Return the number of samples, and of each modality the shape and how many have it."""
        shown = [
            f"{name} {self._arrays[name].shape[1:]} in {int(self.present[:, column].sum())}"
            for column, name in enumerate(self.names)
        ]
        shown += [f"{name} in 0" for name in self.nowhere]
        return f"{type(self).__name__}({self._rows} samples; {'; '.join(shown)})"

    def __getitem__(self, rows: Any) -> MultimodalDataset:  # noqa: ANN401
        """Return some samples, as `subset` does; an integer gives one sample."""
        if isinstance(rows, tuple):  # as data[rows, ...] is called by scikit-learn
            rows, *_ = rows
        return self.subset([rows] if isinstance(rows, int | np.integer) else rows)

    def setting(self, name: str, modality: str, value: float) -> str:
        """Return how a setting by modality is written in Python."""
        if name == "padding":
            return f"lengths={{{modality!r}: ...}} of MultimodalDataset"
        return f"{name}={{{modality!r}: {value:g}}} of MultimodalDataset"

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of samples and modalities; with it scikit-learn can split the samples."""
        return self._rows, len(self.names)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in order."""
        return self.names

    @property
    def y(self) -> Array | None:
        """Labels ``(n,)`` or ``(n, columns)``; None if there are none."""
        return self._arrays.get(TARGET)

    @property
    def present(self) -> Array:
        """Bool array ``(n, V)``, True where a sample has the modality."""
        if PRESENT in self._arrays:
            present = self._arrays[PRESENT].copy()
        else:
            present = np.stack([~_absent(self._arrays[name]) for name in self.names], 1)
        for name, value in self.absent.items():
            present[:, self.names.index(name)] &= ~absent_rows(self._arrays[name], value)
        return present

    def axes(self, name: str) -> int:
        """Return the number of axes of an array."""
        return self._arrays[name].ndim

    def read(self, name: str) -> Array:
        """Return a copy of an array: a modality, ``y``, ``present`` or ``samples``.

        The caller may change the copy, as standardising does.
        """
        return self._arrays[name].copy()

    def subset(self, rows: Any) -> MultimodalDataset:  # noqa: ANN401
        """Return some samples, by row numbers, a bool array ``(n,)`` or a slice."""
        rows = np.arange(self._rows)[rows if isinstance(rows, slice) else np.asarray(rows)]
        arrays = {name: array[rows] for name, array in self._arrays.items()}
        return self._like(arrays, None if self.weights is None else self.weights[rows])

    def _like(self, arrays: Mapping[str, Any], weights: Any) -> MultimodalDataset:  # noqa: ANN401
        """Return samples with other arrays by name, and weights, read as these are."""
        like = MultimodalDataset(
            {name: arrays[name] for name in self.names},
            arrays.get(TARGET),
            present=arrays.get(PRESENT),
            samples=arrays.get(SAMPLES),
            groups=arrays.get(GROUPS),
            kinds=self.kinds,
            weights=weights,
            absent=self.absent,
            size=self.size,
            target=self.target,
            labels=self.labels,
            name=self.path,
        )
        like.volumes, like.features = self.volumes, self.features
        like.nowhere = dict.fromkeys(self.nowhere)
        return like

    def labelled(self, y: Any, weights: Any = None, groups: Any = None) -> MultimodalDataset:  # noqa: ANN401
        """Return the same samples with other labels, or none, and weights.

        Args:
            y: Labels; None for none.
            weights: Weights; None for none.
            groups: Groups; None keeps the present ones.
        """
        arrays = {**self._arrays, TARGET: y}
        if groups is not None:
            arrays[GROUPS] = groups
        return self._like(arrays, weights)

    def where_absent(self, absent: Mapping[str, float]) -> MultimodalDataset:
        """Return the same samples where further numbers stand for absent blocks."""
        more = {name: value for name, value in absent.items() if name in self.names}
        made = copy(self)
        made.absent = {**more, **self.absent}
        return made

    def without(self, absent: Array) -> MultimodalDataset:
        """Return the same samples with some modalities erased.

        Args:
            absent: Bool array ``(n, V)``, True where a sample is to lack the modality. It becomes
                NaN, or 0 in arrays of integers.
        """
        arrays, present = dict(self._arrays), self._arrays.get(PRESENT)
        for column, name in enumerate(self.names):
            rows, array = absent[:, column], self._arrays[name]
            if rows.any():
                if array.dtype.kind != "f" and present is None:
                    present = self.present
                array = array.copy()
                array[rows] = np.nan if array.dtype.kind == "f" else 0
            arrays[name] = array
        if present is not None:
            arrays[PRESENT] = present & ~absent
        return self._like(arrays, self.weights)

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digits that depend on the content of the arrays."""
        digest = blake2b(digest_size=4)
        for name, array in self._arrays.items():
            digest.update(repr((name, array.dtype.str, array.shape)).encode())
            digest.update(np.ascontiguousarray(array).view(np.uint8).data)
        digest.update(repr((sorted(self.kinds.items()), *self.stated)).encode())
        if self.absent:
            digest.update(repr(sorted(self.absent.items())).encode())
        if self.weights is not None:
            digest.update(self.weights.data)
        return digest.hexdigest()


def _check_inputs(inputs: object) -> None:
    if not isinstance(inputs, Mapping) or not inputs:
        raise TypeError(
            "expected inputs as a mapping from the name of a modality to its array, got "
            f"{'an empty ' * isinstance(inputs, Mapping)}{type(inputs).__name__}"
            f"{how_to_read(inputs)}"
        )


def _absent(array: Array) -> Array:
    if array.dtype.kind != "f":
        return np.zeros(len(array), dtype=np.bool_)
    return np.asarray(np.isnan(array).all(tuple(range(1, array.ndim))))


def _labels(y: Any) -> Array:  # noqa: ANN401
    """Return labels as an array of numbers or text."""
    if isinstance(y, list | tuple) and len({isinstance(one, str | bytes) for one in y}) > 1:
        # Numpy would make text of the numbers.
        mixed = np.empty(len(y), dtype=object)
        mixed[:] = y
        return labels_of_python(plain_labels("y", mixed))
    array = as_array(y)
    if array is None or not array.ndim:
        raise TypeError(f"expected y as one label per sample, got {type(y).__name__}")
    return labels_of_python(plain_labels("y", array))
