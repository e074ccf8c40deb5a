"""Tiny runs of one or two processes without sampling noise.

``python tests/engine/pair.py RUN FLAG...`` trains on the arrays beside RUN. Environment variables
arrange mishaps: ``PAIR_SLOW`` seconds a step, ``PAIR_BREAK`` breaks the second process's loss,
``PAIR_RAISE`` raises in the second process, ``PAIR_NO_CLASS`` breaks a logit of validation, which
the first process alone looks at.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import torch

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2])]

from tests.engine.runs import settings_in

from dmrnet.cli.failures import guarded
from dmrnet.engine.fit import fit_run
from dmrnet.engine.training.checkpoints import Checkpoints
from dmrnet.engine.training.processes import exit_process
from dmrnet.engine.training.trainee import Progress, Trainee
from dmrnet.engine.training.validation import Validation
from dmrnet.evaluation import NoClassError

_step, _start = Trainee.training_step, Trainee.on_train_epoch_start
_score = Validation.score


def step(self: Trainee, batch, batch_idx: int):
    """Make a training step, or the requested mishap."""
    time.sleep(float(os.environ.get("PAIR_SLOW", 0)))
    second = self.global_rank == 1 and (self.current_epoch, batch_idx) == (1, 2)
    if second and "PAIR_RAISE" in os.environ:
        raise OSError("the disk of the second process is gone")
    loss = _step(self, batch, batch_idx)
    return loss * torch.nan if second and "PAIR_BREAK" in os.environ else loss


def score(self: Validation, model, trainer) -> float:
    """Score on validation, or make the requested mishap."""
    if trainer.current_epoch and "PAIR_NO_CLASS" in os.environ:
        raise NoClassError([3], "age")
    return _score(self, model, trainer)


def start(self: Trainee) -> None:
    """Begin an epoch without noise, which differs between processes."""
    _start(self)
    self.method.representation.eval()


def train(run: Path, *flags: str) -> int:
    """Train to the end."""
    Checkpoints.every = 0.0
    Trainee.training_step, Trainee.on_train_epoch_start = step, start
    Validation.score = score

    def report(progress: Progress) -> None:
        sys.stdout.write(f"epoch {progress.epoch}\n")
        sys.stdout.flush()

    fit_run(settings_in(run.parent, "--threads", "1", *flags, epochs=6), run, report)
    return 0


def main(run: str, *flags: str) -> None:
    """Train to the end, and exit as the command line does."""
    exit_process(guarded(lambda: train(Path(run), *flags)))


if __name__ == "__main__":
    main(*sys.argv[1:])
