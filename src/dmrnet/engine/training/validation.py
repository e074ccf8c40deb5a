"""Validation at the end of epochs: the weights to keep, and predictions that a method needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import lightning.pytorch as pl
import torch
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.data.loader import evaluation_batches
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.run.weights import save_weights
from dmrnet.engine.scores.scoring import naming_samples, samples_at_once, score
from dmrnet.engine.training.selection import (
    Selection,
    better,
    select_on,
    selection_epochs,
)
from dmrnet.engine.training.steps import NotFiniteError
from dmrnet.evaluation import Measure, NoClassError
from dmrnet.methods.base import Method
from dmrnet.settings.training import Training

T = TypeVar("T")


class Validation:
    """Scores weights on validation and keeps the best; the first process does it for all.

    Args:
        val: Validation samples.
        training: Training settings with `max_epochs` filled in.
        measure: Measure that weights are selected by.
        folder: Folder of the run.

    Attributes:
        best: Score of the weights that are kept.
        best_epoch: Epoch after which they were kept, counted from 0.
        last_score: Score when last measured.
        by_combination: Score of each combination, when last measured; see `Selection`.
    """

    def __init__(
        self, val: Dataset, training: Training, measure: Measure, folder: RunFolder
    ) -> None:
        assert training.max_epochs is not None
        self.val = val
        self.training = training
        self.measure = measure
        self.folder = folder
        self.epochs = selection_epochs(
            training.max_epochs, training.select_times, training.continued_after or ()
        )
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.last_score: float | None = None
        self.by_combination: Mapping[str, float] = {}

    @property
    def complete(self) -> bool:
        """Whether samples are scored with all modalities that they have, and no others."""
        return self.training.select == "complete"

    @property
    def metric(self) -> str:
        """Name of the score in ``metrics.csv``."""
        return "val_complete" if self.complete else "val_average"

    def report_predictions(self, method: Method, trainer: pl.Trainer) -> None:
        """Call `on_validation_predictions` of a method that needs it.

        Raises:
            NotFiniteError: If a sample has no class.
        """
        combinations = method.combinations_to_validate(trainer.current_epoch)
        if combinations is None:
            return
        device = trainer.strategy.root_device

        def count() -> Tensor:
            method.eval()
            # How often each class is predicted under each combination.
            counts = score(method, self.val, combinations, device).confusion.sum(1).cpu()
            method.train()
            return counts

        counts = self._on_first_rank(count, torch.zeros(()), trainer)
        method.on_validation_predictions(counts.to(device))

    def select(self, model: Method, trainer: pl.Trainer) -> float:
        """Score weights, keep them if they are the best so far, and return their score.

        Raises:
            NotFiniteError: If a sample has no class.
        """
        # Those of the first process, whose normalisation statistics are the ones that are kept.
        selection = self._on_first_rank(lambda: self.score(model, trainer), Selection(0.0), trainer)
        score = selection.score
        self.last_score, self.by_combination = score, selection.by_combination
        if self.training.select == "last" or better(self.measure, score, self.best):
            self.best, self.best_epoch = score, trainer.current_epoch
            if trainer.is_global_zero:
                save_weights(model, self.folder.weights)
        return score

    def out_of_patience(self, epoch: int) -> bool:
        """Whether the last selections, up to an epoch, were all without a new best."""
        if not self.training.patience or self.best_epoch is None:
            return False
        since = sum(self.best_epoch < one <= epoch for one in self.epochs)
        return since >= self.training.patience

    def score(self, model: Method, trainer: pl.Trainer) -> Selection:
        """Return the scores of weights, in this process; first the method fits what it has to."""
        was_training = model.training
        model.eval()
        device = str(trainer.strategy.root_device)
        task = self.val.task
        if not task.dense:
            rows = torch.randperm(len(self.val), generator=torch.Generator().manual_seed(0))
            batches = evaluation_batches(self.val, samples_at_once(task), rows=rows)
            model.fit_on_validation(batch.to(device) for batch in batches)
        scores = select_on(
            model,
            self.val,
            self.training.select_budget,
            device,
            self.measure,
            self.complete,
        )
        model.train(was_training)
        return scores

    def _on_first_rank(self, work: Callable[[], T], otherwise: T, trainer: pl.Trainer) -> T:
        """Return on all processes what `work` returns in the first; its error stops all."""
        value, failure = otherwise, ""
        if trainer.is_global_zero:
            try:
                with naming_samples("on validation", self.val):
                    value = work()
            except NoClassError as error:
                failure = str(error)
        if trainer.world_size > 1:
            value, failure = trainer.strategy.broadcast((value, failure))
        if failure:
            raise NotFiniteError(
                f"training stopped at the end of epoch {trainer.current_epoch + 1}: {failure}, or "
                "try a lower lr or clip (--lr, --clip)"
            )
        return value
