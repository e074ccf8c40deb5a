"""Classifiers of other libraries on the rows of some runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from dmrnet.settings.config import RunSettings


def fit_peers(
    names: Sequence[str], runs: Iterable[RunSettings], out: Path, say: Callable[[str], None]
) -> list[Path]:
    """Fit classifiers on each data set and seed of some runs; return their run folders.

    Those that are finished are not fitted again.

    Args:
        names: Names of `dmrnet.peers`.
        runs: Settings of the runs.
        out: Folder for the run folders of the classifiers.
        say: Called with a line for each.

    Raises:
        ModuleNotFoundError: If scikit-learn is not installed.
    """
    if not names:
        return []
    from dmrnet.peers.runs import make_peers

    distinct: dict[tuple[str, int], RunSettings] = {}
    for settings in runs:
        distinct.setdefault((settings.data_label, settings.seed), settings)
    folders_by_data = (make_peers(one, out, names, say) for one in distinct.values())
    return [folder for folders in folders_by_data for folder in folders]
