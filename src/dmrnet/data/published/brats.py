"""Preparing `brats`: cases of NIfTI files in the layout of any year (extra ``volumes``)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dmrnet.data.brats.case import STORED, decode_case
from dmrnet.data.brats.layout import ROLES, Case, find_cases
from dmrnet.data.brats.names import LABELS, MODALITIES, VERSION, numbers_of
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.cache import read_arrays, write_arrays
from dmrnet.data.files.media.nifti import nibabel
from dmrnet.data.published.preparation import Preparation
from dmrnet.data.published.sources import File, FilesByGroup
from dmrnet.data.published.work import Work, checksum, digest


@dataclass(frozen=True)
class CaseFile(File):
    """A file of a case; `expected` is False for labels that were never published."""

    case: Case | None = None
    expected: bool = True


def find(sources: Sequence[Path]) -> FilesByGroup:
    """Find the files of every case; one that is missing stands there by the name it should have."""
    nibabel()
    cases = find_cases(sources)
    labelled = {release_of(case) for case in cases if LABELS in case.files}
    return {
        role: [
            CaseFile(
                f"{case.name}: {case.path(role).name}",
                case.path(role),
                case=case,
                expected=role != LABELS or release_of(case) in labelled,
            )
            for case in cases
        ]
        for role in ROLES
    }


FACTS = ("start", "whole", "affine", "turned", "voxels", "hash")
"""Columns of the table of cases that hold no names."""


def release_of(case: Case) -> Path:
    """Return the folder that holds the cases of a release; training and validation are apart."""
    own = case.folder.name.lower() == case.name.lower()
    return case.folder.parent if own else case.folder


@dataclass
class _Kept:
    """A usable case, where its arrays are, and what the table says of it."""

    case: Case
    part: Path
    shape: tuple[int, ...]
    facts: dict[str, Array]
    has: set[str]


def build(work: Work) -> dict[str, Array]:
    """Make the arrays: intensities and labels of all cases end to end, and a table of the cases."""
    number = len(work.files[LABELS])
    kept: list[_Kept] = []
    left_out: list[str] = []
    checksums: dict[str, list[str]] = {role: [] for role in ROLES}
    _log_layout(work)
    work.progress("cases", 0, number)
    for place in range(number):
        files = {role: work.files[role][place] for role in ROLES}
        case = files[LABELS].case  # type: ignore[attr-defined]
        path = work.folder / f"case-{digest([file.stamp() for file in files.values()])}.npz"
        part = _part(path, case, files)
        for role in ROLES:
            checksums[role] += [text for text in [str(part[f"sha256.{role}"])] if text]
        if _is_usable(work, files, part):
            has = {role for role in ROLES if role in part}
            facts = {name: part.get(name, np.array(False)) for name in FACTS}
            shape = next(part[name].shape for name in MODALITIES if name in part)
            kept.append(_Kept(case, path, shape, facts, has))
            if facts["turned"]:
                work.log(f"{case.name}: stored along other axes than the published files; turned")
            if outside := int(part["outside"]):
                work.log(f"{case.name}: {outside} voxels of its tumour are outside of its brain")
        else:
            left_out.append(case.name)
        work.progress("cases", place + 1, number)
    for role in ROLES:
        work.record(role, checksums[role])
    unlabelled = sum(LABELS not in one.has for one in kept)
    note = f", {unlabelled} without labels, to predict only" if unlabelled else ""
    work.log_usable("brats", len(kept), number, "cases", note=note)
    if work.strict and work.rejected:
        return {}
    return _end_to_end(work, kept) | _table(kept, left_out)


def _log_layout(work: Work) -> None:
    """Log the year, its labels, and files that are published under another name."""
    cases = [file.case for file in work.files[LABELS]]  # type: ignore[attr-defined]
    year = cases[0].year
    numbers = ", ".join(map(str, numbers_of(year)))
    people = len({case.patient for case in cases})
    work.log(
        f"layout of BraTS{f' {year}' if year else ''}, labels {numbers}: {len(cases)} cases of "
        f"{people} patients"
    )
    for case in cases:
        for role in case.misnamed:
            work.log(f"{case.name}: {case.files[role].name} is read as its {role}")


def _part(path: Path, case: Case, files: dict[str, File]) -> dict[str, Array]:
    """Return a decoded case, read from the path where it is whole; see `decode_case`."""
    with suppress(ValueError):
        return read_arrays(path)
    hashes = dict.fromkeys(ROLES, "")

    def reader(role: str) -> bytes:
        content = files[role].read()
        hashes[role] = checksum(content, files[role].name)
        return content

    wanted = [role for role in ROLES if files[role].expected]  # type: ignore[attr-defined]
    readers = {role: (lambda role=role: reader(role)) for role in wanted}
    decoded, faults = decode_case(readers, numbers_of(case.year))
    part: dict[str, Array] = {
        "fault": np.array([role for role, _ in faults], dtype=np.str_),
        "reason": np.array([reason for _, reason in faults], dtype=np.str_),
        **{f"sha256.{role}": np.array(text) for role, text in hashes.items()},
    }
    if decoded is not None:
        labels = decoded.labels
        part |= {
            **decoded.inputs,
            **({} if labels is None else {LABELS: labels}),
            "outside": np.array(decoded.outside),
            **decoded.facts,
        }
    write_arrays(path, part)
    return part


def _is_usable(work: Work, files: dict[str, File], part: dict[str, Array]) -> bool:
    """Reject the faulty files of a case; return whether the case is kept."""
    faults = dict(zip(part["fault"].tolist(), part["reason"].tolist(), strict=True))
    for role, reason in faults.items():
        work.reject(role, files[role].name, reason)
    # With `keep`, lost labels leave a case to predict, and a lost modality is absent.
    return "start" in part and (not faults or work.keep)


def _end_to_end(work: Work, kept: Sequence[_Kept]) -> dict[str, Array]:
    """Return each modality of all cases as one memory map, and the labels; 0 where absent."""
    total = sum(math.prod(one.shape) for one in kept)
    arrays: dict[str, Array] = {
        role: np.lib.format.open_memmap(
            work.folder / f"{role}.npy",
            "w+",
            dtype=np.uint8 if role == LABELS else STORED,
            shape=(total,),
        )
        for role in ROLES
    }
    start = 0
    for place, one in enumerate(kept):
        part, end = read_arrays(one.part), start + math.prod(one.shape)
        for role in one.has:
            arrays[role][start:end] = part[role].ravel()
        start = end
        work.progress("joining cases", place + 1, len(kept))
    return arrays


def _table(kept: Sequence[_Kept], left_out: Sequence[str]) -> dict[str, Array]:
    """Return what is known of each case, a row each, in the order of the memory maps."""
    shapes = np.array([one.shape for one in kept], dtype=np.int64)
    return {
        "name": np.array([one.case.name for one in kept]),
        "patient": np.array([one.case.patient for one in kept]),
        "grade": np.array([one.case.grade for one in kept], dtype=np.str_),
        "shape": shapes,
        "first": np.concatenate([[0], shapes.prod(1).cumsum()]).astype(np.int64),
        "present": np.array([[name in one.has for name in MODALITIES] for one in kept]),
        "labelled": np.array([LABELS in one.has for one in kept]),
        **{name: np.stack([one.facts[name] for one in kept]) for name in kept[0].facts},
        "year": np.array(kept[0].case.year),
        "left_out": np.array(left_out, dtype=np.str_),
    }


PREPARATION = Preparation(version=VERSION, find=find, build=build, modalities=True)
