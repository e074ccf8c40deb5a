"""Find out whether a report can be made of a run before making one of many runs."""

from __future__ import annotations

from pathlib import Path

from dmrnet.report.records.mining import read_variance_by_epoch
from dmrnet.report.records.predictions import PICTURES, read_label_maps, read_predictions
from dmrnet.report.records.runs import read_runs
from dmrnet.report.summary.analyses import read_run


def find_damage(folder: Path, split: str) -> str | None:
    """Return the first error in the files of a run, or None if all of them can be reported.

    Args:
        folder: Run folder.
        split: Split to be reported.
    """
    try:
        (run,) = read_runs([folder], split)
        read_predictions(run, run.modalities)
        read_run(folder)
        read_variance_by_epoch([folder], run.modalities)
        if (folder / PICTURES).is_file():
            read_label_maps(folder / PICTURES)
    except (ValueError, OSError) as error:
        return str(error)
    return None
