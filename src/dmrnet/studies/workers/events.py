"""What a worker tells its study, as one JSON object a line."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Ready:
    """A worker has imported what it needs.

    Attributes:
        seconds: That this took.
    """

    seconds: float


@dataclass(frozen=True)
class Started:
    """A run begins, goes on, or is looked up.

    Attributes:
        run: Its folder.
    """

    run: str


@dataclass(frozen=True)
class Epoch:
    """A run has finished an epoch.

    Attributes:
        epoch: Finished epochs.
        epochs: Of the whole run.
        loss: Mean total loss of the epoch.
        selection: Mean score over combinations on validation, when last measured.
    """

    epoch: int
    epochs: int
    loss: float
    selection: float | None


@dataclass(frozen=True)
class Done:
    """A run is trained and evaluated.

    Attributes:
        run: Its folder.
        fresh: False where it was finished before, and nothing was trained.
        seconds: Of each stage: ``data`` (reading, building), ``train``, ``evaluate``.
        score: Mean over combinations on validation of what the data are judged by; None where
            undefined.
        tested: The data have a test set, and the run was evaluated on it.
    """

    run: str
    fresh: bool
    seconds: dict[str, float]
    score: float | None
    tested: bool


@dataclass(frozen=True)
class Failed:
    """A run has failed; the others go on.

    Attributes:
        error: One line.
        settings: Its settings could not be read, so it would fail again.
        unfit: The method cannot be had for the data: it is left out, not failed.
    """

    error: str
    settings: bool = False
    unfit: bool = False


@dataclass(frozen=True)
class Held:
    """Another process makes the run; it is asked for again later.

    Attributes:
        by: Which process.
    """

    by: str


Message = Ready | Started | Epoch | Done | Failed | Held

_KINDS: dict[str, type[Message]] = {
    kind.__name__: kind for kind in (Ready, Started, Epoch, Done, Failed, Held)
}


@dataclass(frozen=True)
class Event:
    """A message of a worker about a job.

    Attributes:
        job: Number of the job; None for what concerns the worker alone.
        worker: Number of the worker.
        message: What happened.
    """

    job: int | None
    worker: int
    message: Message


def write(message: Message) -> str:
    r"""Return a message as a line.

    >>> write(Started("runs/a"))
    '{"kind": "Started", "run": "runs/a"}\n'
    """
    return json.dumps({"kind": type(message).__name__, **asdict(message)}) + "\n"


def read(line: str) -> Message:
    """Return the message of a line; the inverse of `write`.

    Raises:
        ValueError: If it is none.
    """
    try:
        values: dict[str, Any] = json.loads(line)
        return _KINDS[values.pop("kind")](**values)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"expected a message of a worker, got {line!r}") from error
