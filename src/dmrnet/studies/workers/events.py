"""Jobs of a study for its workers, and their messages about them, one JSON object per line."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Job:
    """A run to make.

    Attributes:
        label: Name shown to users.
        argv: Settings as flags of ``dmrnet fit``.
        test: Whether to evaluate it on its test set, too.
    """

    label: str
    argv: tuple[str, ...]
    test: bool = True


@dataclass(frozen=True)
class Ready:
    """A worker has imported what it needs, in this many seconds."""

    seconds: float


@dataclass(frozen=True)
class Started:
    """A run starts, resumes, or is found finished, in the folder `run`."""

    run: str


@dataclass(frozen=True)
class Epoch:
    """A run has finished an epoch.

    Attributes:
        epoch: Number of finished epochs.
        epochs: Number of epochs of the run.
        loss: Mean total loss of the epoch.
        selection: Last measured mean validation score over combinations.
        metric: Name of that score.
    """

    epoch: int
    epochs: int
    loss: float
    selection: float | None
    metric: str = "accuracy"


@dataclass(frozen=True)
class Done:
    """A run is trained and evaluated.

    Attributes:
        run: Folder of the run.
        fresh: False if it was already finished and nothing was trained.
        seconds: Duration of each stage: ``data`` (reading, building), ``train``, ``evaluate``.
        score: Mean validation score over combinations; None if undefined.
        tested: Whether it was evaluated on a test set.
        metric: Name of the score.
    """

    run: str
    fresh: bool
    seconds: dict[str, float]
    score: float | None
    tested: bool
    metric: str = "accuracy"


@dataclass(frozen=True)
class Failed:
    """A run has failed; the others continue.

    Attributes:
        error: Error in one line.
        settings: Whether its settings could not be read, so that it would fail again.
        unfit: Whether the method does not support the data; the run is then left out.
    """

    error: str
    settings: bool = False
    unfit: bool = False


@dataclass(frozen=True)
class Busy:
    """Another process, `by`, is making the run; it is tried again later."""

    by: str


Message = Ready | Started | Epoch | Done | Failed | Busy

_KINDS: dict[str, type[Message]] = {
    kind.__name__: kind for kind in (Ready, Started, Epoch, Done, Failed, Busy)
}


@dataclass(frozen=True)
class Event:
    """A message of a worker about a job.

    Attributes:
        job: Index of the job; None if the message concerns only the worker.
        worker: Index of the worker.
        message: Message.
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
        ValueError: If the line is not a message.
    """
    try:
        values: dict[str, Any] = json.loads(line)
        return _KINDS[values.pop("kind")](**values)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"expected a message of a worker, got {line!r}") from error
