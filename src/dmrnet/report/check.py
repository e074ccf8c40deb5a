"""Find out whether a report can be made of a run before making one of many runs."""

from __future__ import annotations

from pathlib import Path

from dmrnet.report.figures.pictures import PICTURES, read_maps
from dmrnet.report.figures.variance_figure import course_of
from dmrnet.report.records.predictions import read_predictions
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
        course_of([folder], run.modalities)
        if (folder / PICTURES).is_file():
            read_maps(folder / PICTURES)
    except (ValueError, OSError) as error:
        return str(error)
    return None
