"""Lists of cases in text files, in the forms that public codes use."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from dmrnet.hints import nearest
from dmrnet.untrusted import check_regular

_GRADE = re.compile(r"^(HGG|LGG)_(?=brats)", re.IGNORECASE)

MOST_NAMED = 5
"""Number of names in a message."""


def read_list(path: str, known: Collection[str], left_out: Collection[str] = ()) -> list[str]:
    r"""Return the cases that a list names, in its order, each once.

    Names are separated by white space, commas or lines; quotes, brackets and the folders before a
    name are ignored, and so are a heading and the grade that RFNet's names begin with
    (``HGG_Brats18_...``). So the lists of RFNet, mmFormer and ShaSpec can be read as they are.

    Args:
        path: Text file.
        known: Names of the cases.
        left_out: Names of cases that the preparation left out, which may be in the list.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it names no case, or one that is not known.
    """
    check_regular(Path(path))
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a text file of names of cases ({error})") from error
    names = {name.lower(): name for name in known}
    skipped = {name.lower() for name in left_out}
    cases: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for number, line in enumerate(text.splitlines()):
        for word in re.split(r"[\s,;\[\]\"']+", line):
            name = _GRADE.sub("", re.split(r"[/\\]", word.rstrip("/\\"))[-1])
            name = re.sub(r"\.(npy|npz|h5|nii(\.gz)?)$", "", name, flags=re.IGNORECASE)
            if name.lower() in names:
                cases[names[name.lower()]] = None
            elif name and name.lower() not in skipped and not (number == 0 and "rats" not in name):
                unknown[name] = None
    # The heading of a table of names.
    unknown.pop("BraTS_2020_subject_ID", None)
    if unknown:
        first = next(iter(unknown))
        raise ValueError(
            f"{path}: {len(unknown)} of its names are of no prepared case with labels: "
            f"{', '.join(list(unknown)[:MOST_NAMED])}{', ...' * (len(unknown) > MOST_NAMED)}; "
            f"{nearest(first, list(known))}"
        )
    if not cases:
        raise ValueError(f"{path}: expected names of cases, one per line, found none")
    return list(cases)


def check_apart(lists: Mapping[str, Sequence[str]]) -> None:
    """Refuse a case that two lists name; `lists` are names of cases by setting.

    Raises:
        ValueError: If there is one.
    """
    for one, other in combinations(lists, 2):
        both = sorted(set(lists[one]) & set(lists[other]))
        if both:
            raise ValueError(
                f"brats: {one} and {other} share {len(both)} cases, {both[0]} among them; "
                "a case may be in one split only"
            )
