"""Cases: volumes of several modalities with their labels, read one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.files.arrays.bad_rows import reason_of
from dmrnet.data.files.arrays.disguise import LARGE_BLOCK
from dmrnet.data.files.arrays.numbers import FILL_IN, Array
from dmrnet.data.files.arrays.objects import array_hash, unmasked

Box = tuple[slice, slice, slice]
"""Part of a volume: depth, height and width."""


class Cases(Protocol):
    """Cases by number: any object with ``len(cases)`` and ``cases[i]``.

    ``cases[i]`` is a mapping from modalities to arrays ``(C, D, H, W)``, or ``(D, H, W)`` for one
    channel, and the labels, whole numbers ``(D, H, W)`` or None. A modality that the mapping lacks,
    or that is None, is absent. Memory maps are cut before they are read.
    """

    def __len__(self) -> int:
        """Return the number of cases."""
        ...

    def __getitem__(self, row: int) -> tuple[Mapping[str, Any], Any]:
        """Return the arrays of a case and its labels."""
        ...


class Frame(NamedTuple):
    """Position of a case in the volume that it was cut from.

    Attributes:
        shape: Depth, height and width of the whole volume.
        start: First voxel of the case in it, along each axis.
        affine: Matrix ``(4, 4)`` from voxels to world coordinates; None if it is not known.
        numbers: Label that is written for each class; None for its number.
        axes: Axis of the source's file along depth, height and width.
        flips: Whether the file's axis runs the other way along depth, height and width.
    """

    shape: tuple[int, int, int]
    start: tuple[int, int, int] = (0, 0, 0)
    affine: Array | None = None
    numbers: tuple[int, ...] | None = None
    axes: tuple[int, int, int] = (0, 1, 2)
    flips: tuple[bool, bool, bool] = (False, False, False)


@dataclass(frozen=True)
class CaseIndex:
    """Names, sizes and contents of cases, known without reading them.

    Attributes:
        names: Name of each of n cases.
        channels: Number of channels of each of V modalities, in order.
        sizes: int64 ``(n, 3)``: depth, height and width.
        present: bool ``(n, V)``, True where a case has the modality.
        voxels: int64 ``(n, M)``, number of voxels of each class.
        content: Fingerprint of the cases.
        groups: Group of each case, such as its patient; None where cases are independent.
        hashes: int64 ``(n, V)``, hash of each modality; None where they are not computed.
    """

    names: tuple[str, ...]
    channels: Mapping[str, int]
    sizes: Tensor
    present: Tensor
    voxels: Tensor
    content: str = ""
    groups: tuple[str, ...] | None = None
    hashes: Tensor | None = None

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.names)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in order."""
        return tuple(self.channels)

    def of(self, rows: Tensor) -> CaseIndex:
        """Return the index of some cases, by int64 row numbers."""
        some = rows.tolist()
        digest = blake2b(rows.numpy().tobytes(), digest_size=4).hexdigest()
        return replace(
            self,
            names=tuple(self.names[row] for row in some),
            sizes=self.sizes[rows],
            present=self.present[rows],
            voxels=self.voxels[rows],
            content=f"{self.content}-{digest}",
            groups=self.groups and tuple(self.groups[row] for row in some),
            hashes=None if self.hashes is None else self.hashes[rows],
        )


@dataclass(frozen=True)
class Scan:
    """Sizes, labels and contents of all cases, from reading each once.

    Attributes:
        channels: Number of channels of each modality, in order.
        sizes: int64 ``(n, 3)``.
        present: bool ``(n, V)``.
        counts: Number of voxels of each label of a case; None where a case has no labels.
        hashes: int64 ``(n, V)``.
        content: Fingerprint of all cases.
        bad: Why a case cannot be used, by its number; the others hold no such case.
        missing: int64 ``(n, V)``, number of missing cells, which are NaN.
        constant: Number that a modality of each case is throughout, where it is one.
    """

    channels: Mapping[str, int]
    sizes: Tensor
    present: Tensor
    counts: Sequence[Mapping[int, int] | None]
    hashes: Tensor
    content: str
    bad: Mapping[int, str] = field(default_factory=dict)
    missing: Tensor = field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.int64))
    constant: Sequence[Mapping[str, float]] = ()

    @property
    def labels(self) -> Tensor:
        """Different labels of all cases, int64, ascending."""
        labels = {label for counts in self.counts if counts is not None for label in counts}
        return torch.tensor(sorted(labels), dtype=torch.int64)

    def index(
        self,
        names: Sequence[str],
        numbers: Sequence[int],
        groups: tuple[str, ...] | None = None,
    ) -> CaseIndex:
        """Return the index of the cases; `numbers` is the label of each class."""
        voxels = [[(counts or {}).get(number, 0) for number in numbers] for counts in self.counts]
        return CaseIndex(
            tuple(names),
            self.channels,
            self.sizes,
            self.present,
            torch.tensor(voxels, dtype=torch.int64).reshape(len(self.counts), len(numbers)),
            self.content,
            groups,
            self.hashes,
        )


@dataclass
class _CaseFacts:
    """Facts about one case; `contents` is what the fingerprint depends on."""

    row: int
    size: tuple[int, int, int]
    counts: dict[int, int] | None = None
    channels: dict[str, int] = field(default_factory=dict)
    hashes: dict[str, int] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    constant: dict[str, float] = field(default_factory=dict)
    contents: list[bytes | memoryview] = field(default_factory=list)


def scan(
    path: str,
    cases: Cases,
    channels: Mapping[str, int] | None = None,
    *,
    labelled: bool = True,
    skip: bool = False,
    cells: bool = False,
) -> Scan:
    """Read every case once.

    Args:
        path: Name of the data, for messages.
        cases: The cases.
        channels: Modalities of a training with their channels; None learns them from the cases.
        labelled: Whether a case without labels cannot be used.
        skip: Whether cases that cannot be used are skipped.
        cells: Whether cases may hold NaN, for cells that are missing.

    Raises:
        ValueError: If volumes of a case differ in size, a modality in channels, or a number is NaN
            or infinite; the message names case and modality.
    """
    facts: list[_CaseFacts] = []
    digest, known = blake2b(digest_size=8), dict(channels or {})
    bad: dict[int, str] = {}
    for row in range(len(cases)):
        try:
            case = _scan_case(path, cases, row, known, channels is None, cells)
        # Cases of the user's own may raise anything on a damaged file.
        except Exception as error:
            if not skip:
                raise
            bad[row] = reason_of(error, f"{path}: case {row}")
            continue
        known |= case.channels
        for content in case.contents:
            digest.update(content)
        case.contents.clear()
        facts.append(case)
    lacking = [case.row for case in facts if case.counts is None]
    if labelled and lacking:
        raise ValueError(
            f"{path}: case {lacking[0]} has no labels ({len(lacking)} such cases); "
            "leave such cases out"
        )
    if not facts:
        if bad:
            raise ValueError(f"{path}: every case is bad; case 0: {bad[0]}")
        raise ValueError(f"{path}: expected at least one case, got none")
    return Scan(
        known,
        torch.tensor([case.size for case in facts], dtype=torch.int64),
        torch.tensor([[name in case.hashes for name in known] for case in facts]),
        [case.counts for case in facts],
        torch.tensor([[case.hashes.get(name, 0) for name in known] for case in facts]),
        digest.hexdigest(),
        bad,
        torch.tensor([[case.missing.get(name, 0) for name in known] for case in facts]),
        [case.constant for case in facts],
    )


def _scan_case(
    path: str, cases: Cases, row: int, known: Mapping[str, int], learn: bool, cells: bool
) -> _CaseFacts:
    """Read a case; `learn` is whether it may have other modalities than those known."""
    arrays, labels = read_case(path, cases, row, known)
    if not arrays:
        raise ValueError(f"{path}: case {row} has no modality; leave such cases out")
    case = _CaseFacts(row, next(iter(arrays.values())).shape[1:])
    for name, array in arrays.items():
        where = f"{path}: case {row}, modality {name}"
        if not learn and name not in known:
            raise ValueError(
                f"{path}: training had no modality {name!r}, so nothing is known of it; leave "
                "it out, or rename it"
            )
        case.channels[name] = channels = known.get(name, len(array))
        if channels != len(array):
            raise ValueError(
                f"{where}: expected {channels} channels as in other cases, got {len(array)}"
            )
        numbers = np.ascontiguousarray(array, dtype=np.float32)
        case.missing[name] = gaps = int(np.isnan(numbers).sum())
        if gaps and not cells:
            raise ValueError(f"{where}: it holds NaN in part of its voxels; {FILL_IN}")
        if numbers.size >= LARGE_BLOCK and bool((numbers == numbers.flat[0]).all()):
            case.constant[name] = float(numbers.flat[0])
        if np.isinf(numbers).any():
            raise ValueError(
                f"{where}: it holds infinity; mend the value, or leave the modality out"
            )
        case.contents += [name.encode(), numbers.data]
        case.hashes[name] = array_hash(numbers)
    if labels is not None:
        values, number = np.unique(labels, return_counts=True)
        case.counts = dict(zip(values.tolist(), number.tolist(), strict=True))
        case.contents.append(np.ascontiguousarray(labels, dtype=np.int64).data)
    return case


def read_case(
    path: str, cases: Cases, row: int, channels: Mapping[str, int]
) -> tuple[dict[str, Array], Array | None]:
    """Return the volumes ``(C, D, H, W)`` of a case that it has, and its labels ``(D, H, W)``.

    Nothing is copied, so that memory maps stay unread.

    Args:
        path: Name of the data, for messages.
        cases: The cases.
        row: Number of the case.
        channels: Known number of channels, by modality.

    Raises:
        ValueError: If a modality is no volume, or sizes differ within the case.
    """
    values, labels = cases[row]
    if labels is not None:
        labels = as_labels(f"{path}: case {row}", labels)
    size = None if labels is None else labels.shape
    arrays: dict[str, Array] = {}
    given = {name: array_of(value) for name, value in values.items()}
    # A modality without an axis for channels shows the size of the others.
    flat = [array.shape for array in given.values() if array is not None and array.ndim == 3]
    size = flat[0] if size is None and flat else size
    for name, array in given.items():
        if array is None or is_nothing(array):
            continue
        if array.dtype.kind not in "biuf":
            raise TypeError(
                f"{path}: case {row}, modality {name}: expected numbers, got {array.dtype}"
            )
        try:
            volume = channels_first(array, channels.get(name), size)
        except ValueError as error:
            raise ValueError(f"{path}: case {row}, modality {name}: {error}") from error
        size = volume.shape[1:] if size is None else size
        arrays[name] = volume
    return arrays, labels


def array_of(value: Any) -> Array | None:  # noqa: ANN401
    """Return an array without a copy; None for None."""
    if value is None:
        return None
    value = unmasked(value)
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def is_nothing(array: Array) -> bool:
    """Return whether an array is nothing but NaN, looking at all of it only if it starts so."""
    if array.dtype.kind != "f" or not array.size or not np.isnan(array[(0,) * array.ndim]):
        return False
    return bool(np.isnan(array).all())


def channels_first(array: Array, channels: int | None, size: Sequence[int] | None) -> Array:
    """Return a volume ``(C, D, H, W)`` as a view of one with channels first, last or none.

    Args:
        array: ``(C, D, H, W)``, ``(D, H, W, C)`` or ``(D, H, W)``.
        channels: Expected number of channels; None accepts any.
        size: Expected depth, height and width; None accepts any.

    Raises:
        ValueError: If the shape is that of no such volume.

    >>> channels_first(np.zeros((4, 5, 6, 2)), None, (4, 5, 6)).shape
    (2, 4, 5, 6)
    """
    if array.ndim == 3:
        choices = [array[None]]
    else:
        choices = [array, np.moveaxis(array, -1, 0)] if array.ndim == 4 else []
    fitting = [
        volume
        for volume in choices
        if channels in (None, len(volume)) and size in (None, volume.shape[1:])
    ]
    if len(fitting) > 1 and channels is not None and size is None:
        raise ValueError(
            f"{array.shape} may have its {channels} channels first or last; give labels or another "
            "modality of the case, whose size decides"
        )
    for volume in fitting:
        return volume
    c = "C" if channels is None else channels
    d, h, w = size or ("D", "H", "W")
    raise ValueError(
        f"expected a volume ({c}, {d}, {h}, {w}), with channels last, or ({d}, {h}, {w}) for one "
        f"channel, got {array.shape}"
    )


def as_labels(where: str, labels: Any) -> Array:  # noqa: ANN401
    """Return labels ``(D, H, W)`` of whole numbers, without a copy where they are whole.

    Raises:
        ValueError: If they have another shape or hold fractions.
    """
    array = array_of(labels)
    assert array is not None
    if array.ndim == 4 and 1 in (array.shape[0], array.shape[-1]):
        array = array[0] if array.shape[0] == 1 else array[..., 0]
    if array.ndim != 3 or array.dtype.kind not in "biuf" or not array.size:
        raise ValueError(
            f"{where}: expected labels as whole numbers (D, H, W), a class for every voxel, got "
            f"{array.dtype} {array.shape}"
        )
    if array.dtype.kind == "f":
        whole = array.astype(np.int64)
        if not (whole == array).all():
            raise ValueError(f"{where}: expected labels as whole numbers, got fractions or NaN")
        return whole
    return array
