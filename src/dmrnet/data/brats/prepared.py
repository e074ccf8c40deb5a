"""Cases of BraTS to train on, from the prepared arrays, and to predict, from NIfTI files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.brats.case import DecodedCase, decode_case
from dmrnet.data.brats.layout import find_cases
from dmrnet.data.brats.names import AXES, DIRECTIONS, LABELS, MODALITIES, numbers_of
from dmrnet.data.files.arrays.bad_rows import BadRows, reason_of, skipped_rows
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.arrays.source import Source
from dmrnet.data.files.media.nifti import file_axes
from dmrnet.data.mapped import MappedArray
from dmrnet.data.volumes.cases import CaseIndex, Frame
from dmrnet.untrusted import check_inside, check_regular, folders_of

CHANNELS = dict.fromkeys(MODALITIES, 1)


class TabledCases:
    """Cases of which a table says what is known without reading them.

    Attributes:
        table: Columns by name, a row a case; see `dmrnet.data.published.brats`.
    """

    table: Mapping[str, Array]

    def __len__(self) -> int:
        return len(self.table["name"])

    def index(self, content: str) -> CaseIndex:
        """Return what is known of the cases; `content` is their fingerprint."""
        tensor = {key: torch.from_numpy(self.table[key]) for key in ("shape", "present", "voxels")}
        return CaseIndex(
            tuple(self.table["name"].tolist()),
            CHANNELS,
            tensor["shape"],
            tensor["present"],
            tensor["voxels"],
            content,
            tuple(self.table["patient"].tolist()),
            torch.from_numpy(self.table["hash"]),
        )

    def frame(self, row: int) -> Frame:
        """Return where a case was cut from."""
        table = self.table
        depth, height, width = table["whole"][row].tolist()
        d, h, w = table["start"][row].tolist()
        numbers, affine = numbers_of(int(table["year"])), table["affine"][row]
        # Earlier preparations turned no file.
        turned = "turned" in table and bool(table["turned"][row])
        how = file_axes(affine, DIRECTIONS) if turned else (AXES,)
        return Frame((depth, height, width), (d, h, w), affine, numbers, *how)


class PreparedCases(TabledCases):
    """Cases of the prepared arrays, as views of the memory maps; see `dmrnet.data.published.brats`.

    Args:
        arrays: Prepared arrays.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.maps = {role: MappedArray(arrays[role]) for role in (*MODALITIES, LABELS)}
        self.table = {key: arrays[key] for key in arrays if key not in self.maps}

    def __getitem__(self, row: int) -> tuple[dict[str, Array], Array | None]:
        """Return the modalities ``(1, D, H, W)`` and the classes ``(D, H, W)`` of a case."""
        shape, first = self.table["shape"][row].tolist(), self.table["first"]

        def view(role: str) -> Array:
            return self.maps[role].array[first[row] : first[row + 1]].reshape(shape)

        has = self.table["present"][row]
        inputs = {
            name: view(name)[None] for name, present in zip(MODALITIES, has, strict=True) if present
        }
        return inputs, view(LABELS) if self.table["labelled"][row] else None


class CaseFolder(Source):
    """A folder of cases, and whether those that cannot be used are skipped.

    Args:
        path: The folder.
        bad_rows: What is done with such cases.
    """

    def __init__(self, path: str, bad_rows: BadRows = "refuse") -> None:
        self.path, self.bad_rows = path, bad_rows

    def with_options(self, absent: Mapping[str, float], bad_rows: BadRows) -> Self:
        """Return the same folder, read with these options.

        Raises:
            ValueError: If a number stands for absent modalities: those of cases lack their file.
        """
        if absent:
            raise ValueError(
                f"{self.path}: expected no absent for cases of BraTS: a modality without a file is "
                "absent; move the file away"
            )
        return type(self)(self.path, bad_rows)


class NiftiCases(TabledCases):
    """Cases in folders of NIfTI files, decoded when they are taken; the last one is kept.

    A modality without a file is absent.

    Args:
        path: Folder of cases in the layout of any year, or of one case.
        need_labels: Whether every case must have labels; else labels are not read.
        skip: Whether cases that cannot be used are left out; they are `skipped`.

    Attributes:
        content: Fingerprint of the cases.

    Raises:
        FileNotFoundError: If there is no such folder, or no case in it.
        ValueError: If a file is damaged, or the files of a case do not fit each other.
    """

    def __init__(self, path: str, need_labels: bool, skip: bool = False) -> None:
        if not Path(path).exists():
            raise FileNotFoundError(f"there is no folder {path}")
        self.cases, self.roots = find_cases([Path(path)]), folders_of([Path(path)])
        self.need_labels = need_labels
        self._last: tuple[int, DecodedCase] | None = None
        facts: list[dict[str, Array]] = []
        bad: dict[int, str] = {}
        for row, case in enumerate(self.cases):
            try:
                decoded = self.decode(row)
            except (ValueError, OSError) as error:
                if not skip:
                    raise
                bad[row] = reason_of(error, case.name)
                continue
            has = np.array([name in decoded.inputs for name in MODALITIES])
            facts.append({**decoded.facts, "shape": np.array(decoded.shape), "present": has})
        if not facts:
            raise ValueError(f"{path}: every case is bad; {self.cases[0].name}: {bad[0]}")
        self.skipped = skipped_rows(bad, tuple(case.name for case in self.cases))
        self.cases = [case for row, case in enumerate(self.cases) if row not in bad]
        self._last = None  # Numbers of cases have changed.
        self.table = {
            "name": np.array([case.name for case in self.cases]),
            "patient": np.array([case.patient for case in self.cases]),
            "year": np.array(self.cases[0].year),
            **{key: np.stack([one[key] for one in facts]) for key in facts[0]},
        }
        hashes = repr(self.table["hash"].tolist()).encode()
        self.content = blake2b(hashes, digest_size=8).hexdigest()

    def __getitem__(self, row: int) -> tuple[dict[str, Array], Array | None]:
        """Return the modalities ``(1, D, H, W)`` and the classes ``(D, H, W)`` of a case."""
        case = self.decode(row)
        return {name: array[None] for name, array in case.inputs.items()}, case.labels

    def decode(self, row: int) -> DecodedCase:
        """Return a case.

        Raises:
            ValueError: If it cannot be used; the message names it, and its file.
        """
        if self._last is None or self._last[0] != row:
            case = self.cases[row]
            wanted = [name for name in MODALITIES if name in case.files]
            wanted += [LABELS] * self.need_labels
            readers = {role: partial(self._read, case.path(role)) for role in wanted}
            decoded, faults = decode_case(readers, numbers_of(case.year))
            if faults or decoded is None:
                role, reason = faults[0] if faults else ("modalities", "are missing")
                raise ValueError(
                    f"{case.name}: {role} ({case.path(role).name}) {reason}; mend the file, or "
                    "move it away"
                )
            self._last = row, decoded
        return self._last[1]

    def _read(self, path: Path) -> bytes:
        check_inside(path, self.roots)
        check_regular(path)
        return path.read_bytes()


def frame_of(cases: TabledCases, rows: Tensor, row: int) -> Frame:
    """Return where a case of a split was cut from.

    Args:
        cases: All cases.
        rows: int64 ``(n,)``, numbers of the cases of the split.
        row: Row of the case in the split.
    """
    return cases.frame(int(rows[row]))
