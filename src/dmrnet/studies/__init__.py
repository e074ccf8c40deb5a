"""Studies: grids of runs behind one table or figure, made by worker processes.

Importing this package imports no torch.
"""

from dmrnet.studies.workers.board import Board
from dmrnet.studies.workers.events import Busy, Done, Epoch, Event, Failed, Job, Ready, Started
from dmrnet.studies.workers.pool import run_jobs

__all__ = [
    "Board",
    "Busy",
    "Done",
    "Epoch",
    "Event",
    "Failed",
    "Job",
    "Ready",
    "Started",
    "run_jobs",
]
