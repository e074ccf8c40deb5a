"""Grids of runs behind one table, made by worker processes. Importing this imports no torch."""

from dmrnet.studies.workers.board import Board
from dmrnet.studies.workers.events import Done, Epoch, Event, Failed, Held, Ready, Started
from dmrnet.studies.workers.job import Job
from dmrnet.studies.workers.pool import run_jobs

__all__ = [
    "Board",
    "Done",
    "Epoch",
    "Event",
    "Failed",
    "Held",
    "Job",
    "Ready",
    "Started",
    "run_jobs",
]
