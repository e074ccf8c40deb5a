"""Layouts of BraTS: which file is which modality of which case, in folders of every year."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dmrnet.data.brats.names import LABELS, MODALITIES

DEPTH = 5
"""Number of levels of folders below a source that are searched."""

SUFFIXES = {
    "flair": "flair",
    "t2f": "flair",
    "t1ce": "t1ce",
    "t1c": "t1ce",
    "t1gd": "t1ce",
    "t1": "t1",
    "t1n": "t1",
    "t2": "t2",
    "t2w": "t2",
    "seg": LABELS,
}
"""Modality, or the labels, of each ending of a file's name: those until 2021, those from 2023."""

SINCE_2023 = ("t2f", "t1c", "t1n", "t2w")

MISNAMED = {("brats20_training_355", "w39_1998.09.19_segm"): LABELS}
"""Files of a case that are published under another name."""

YEARS = (
    ("brats18_", 2018),
    ("brats19_", 2019),
    ("brats20_", 2020),
    ("brats2021_", 2021),
    ("brats-", 2023),
)
"""Year of each beginning of the name of a case."""

_NAME = re.compile(r"(?P<case>.+)[_.-](?P<suffix>[a-z0-9]+)\.nii(\.gz)?", re.IGNORECASE)


@dataclass
class Case:
    """Files of one case.

    Attributes:
        name: Name of the case, as its files have it.
        folder: Folder of its files.
        ending: Ending of the names of its files, ``.nii`` or ``.nii.gz``.
        suffixes: Suffix that each of its files has.
        files: Its files by modality, and the labels.
        misnamed: Kinds of its files that are published under another name.
    """

    name: str
    folder: Path
    ending: str
    suffixes: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    misnamed: list[str] = field(default_factory=list)

    @property
    def year(self) -> int:
        """Year of the challenge by the names; 0 if they do not say."""
        lower = self.name.lower()
        for start, year in YEARS:
            if lower.startswith(start):
                return year
        return 2023 if any(suffix in SINCE_2023 for suffix in self.suffixes.values()) else 0

    @property
    def patient(self) -> str:
        """Name of the patient; several cases of one are its visits.

        >>> Case("BraTS-GLI-00008-001", Path(), ".nii").patient
        'BraTS-GLI-00008'
        >>> Case("Brats18_CBICA_AAB_1", Path(), ".nii").patient
        'Brats18_CBICA_AAB'
        >>> Case("BraTS20_Training_001", Path(), ".nii").patient
        'BraTS20_Training_001'
        """
        visit = {2018: r"_\d+$", 2019: r"_\d+$", 2023: r"-\d{3}$"}.get(self.year)
        return self.name if visit is None else re.sub(visit, "", self.name)

    @property
    def grade(self) -> str:
        """Grade of the tumour, HGG or LGG, where a folder is named so; empty elsewhere."""
        parents = [part.upper() for part in self.folder.parts]
        return next((part for part in reversed(parents) if part in ("HGG", "LGG")), "")

    def path(self, role: str) -> Path:
        """Return the file of a modality or the labels, or the one that is missing."""
        if role in self.files:
            return self.files[role]
        new = any(suffix in SINCE_2023 for suffix in self.suffixes.values()) or self.year >= 2023
        names = [suffix for suffix, of in SUFFIXES.items() if of == role]
        suffix = next((name for name in names if (name in SINCE_2023) == new), names[0])
        return self.folder / f"{self.name}{'-' if self.year == 2023 else '_'}{suffix}{self.ending}"


def find_cases(sources: Sequence[Path]) -> list[Case]:
    """Return the cases in the sources, by name.

    Files of a case may be in a folder of its own, as published, or next to those of others. Case
    does not matter in endings, which are ``.nii`` or ``.nii.gz``.

    Raises:
        ValueError: If a case has two files for one modality, a folder of one case holds a file
            named otherwise, or the cases are of different years.
        FileNotFoundError: If there is none.
    """
    cases: dict[str, Case] = {}
    for folder, paths in _folders(sources):
        for case in _cases_in(folder, paths):
            other = cases.setdefault(case.name.lower(), case)
            if other is not case and other.folder.resolve() != folder.resolve():
                raise ValueError(
                    f"{case.name} is in {other.folder} and in {folder}; name the one meant"
                )
    if not cases:
        searched = ", ".join(map(str, sources))
        raise FileNotFoundError(
            f"found no cases of BraTS in {searched}; expected files such as "
            "BraTS20_Training_001_flair.nii.gz or BraTS-GLI-00000-000-t2f.nii.gz, in up to "
            f"{DEPTH} levels of folders"
        )
    ordered = [cases[name] for name in sorted(cases)]
    years = sorted({case.year for case in ordered})
    if len(years) > 1:
        examples = [next(c.name for c in ordered if c.year == year) for year in years]
        raise ValueError(
            f"found cases of different years ({', '.join(examples)}), which share patients; "
            "prepare each year in a root of its own (--root)"
        )
    return ordered


def _folders(sources: Sequence[Path]) -> Iterator[tuple[Path, list[Path]]]:
    """Yield folders with the NIfTI files in them, in order, each once."""
    seen: set[Path] = set()
    todo = [(source, 0) for source in reversed(sources)]
    while todo:
        folder, depth = todo.pop()
        if not folder.is_dir():
            # A source may be a file; what is in its folder is not asked for.
            if depth == 0 and _is_volume(folder.name):
                yield folder.parent, [folder]
            continue
        if (real := folder.resolve()) in seen:
            continue
        seen.add(real)
        with os.scandir(folder) as entries:
            names = sorted((entry.name, entry.is_dir()) for entry in entries)
        paths = [folder / name for name, is_dir in names if not is_dir and _is_volume(name)]
        if paths:
            yield folder, paths
        if depth < DEPTH:
            inner = [folder / name for name, is_dir in names if is_dir and name[0] != "."]
            todo += [(path, depth + 1) for path in reversed(inner)]


def _is_volume(name: str) -> bool:
    return name.lower().endswith((".nii", ".nii.gz")) and not name.startswith(".")


def _cases_in(folder: Path, paths: Sequence[Path]) -> list[Case]:
    """Return the cases of the files of one folder."""
    cases: dict[str, Case] = {}
    strays: list[Path] = []
    for path in paths:
        stem = re.sub(r"\.nii(\.gz)?$", "", path.name, flags=re.IGNORECASE).lower()
        known = MISNAMED.get((folder.name.lower(), stem))
        match = _NAME.fullmatch(path.name)
        if known is not None:
            name, suffix, role = folder.name, "seg", known
        elif match is not None and (suffix := match["suffix"].lower()) in SUFFIXES:
            name, role = match["case"], SUFFIXES[suffix]
        else:
            strays.append(path)
            continue
        ending = ".nii.gz" if path.name.lower().endswith(".gz") else ".nii"
        case = cases.setdefault(name.lower(), Case(name, folder, ending))
        if role in case.files:
            raise ValueError(
                f"{case.files[role]} and {path.name} are both {role} of {case.name}; remove one"
            )
        case.files[role], case.suffixes[role] = path, suffix
        case.misnamed += [role] * (known is not None)
    own = cases.get(folder.name.lower())
    if own is not None:
        strays += [p for case in cases.values() if case is not own for p in case.files.values()]
    if strays and (own is not None or cases):
        raise ValueError(
            f"{strays[0]}: expected files of {(own or next(iter(cases.values()))).name}, whose "
            f"names end in _{', _'.join(s for s in SUFFIXES if s not in SINCE_2023)} (or -t2f, "
            "-t1c, -t1n, -t2w); rename it if it is one of them, or move it away"
        )
    return list(cases.values())


ROLES = (*MODALITIES, LABELS)
"""The files of a case."""
