"""Grids of runs behind one table, made by worker processes. Importing this imports no torch."""

from dmrnet.studies.board import Board
from dmrnet.studies.events import Done, Epoch, Event, Failed, Held, Ready, Started
from dmrnet.studies.job import Job
from dmrnet.studies.pool import run_jobs

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
