"""Classifiers of other libraries on the rows of a study's runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dmrnet.settings.config import RunSettings
from dmrnet.studies.resolve import Member

FOLDER = "peers"
"""Folder of the classifiers' run folders, in that of the study."""


def fit_peers(
    names: Sequence[str], members: Sequence[Member], out: Path, say: Callable[[str], None]
) -> list[Path]:
    """Fit classifiers on each data set and seed of finished runs; return their run folders.

    Those that are finished are not fitted again.

    Args:
        names: Names of `dmrnet.peers`.
        members: Finished runs.
        out: Folder of the study.
        say: Called with a line for each.

    Raises:
        ModuleNotFoundError: If scikit-learn is not installed.
    """
    if not names:
        return []
    from dmrnet.peers.runs import make_peers

    distinct: dict[tuple[str, int], RunSettings] = {}
    for member in members:
        key = (member.settings.data_label, member.settings.seed)
        distinct.setdefault(key, member.settings)
    folders_by_data = (make_peers(one, out / FOLDER, names, say) for one in distinct.values())
    return [folder for folders in folders_by_data for folder in folders]
