"""Two classifiers of iMML 0.6, in a plain loop; see `dmrnet.peers`.

They read vectors: modalities are flattened, and zero, the mean of a standardised feature, stands
for what is missing, since NaN would spread to the weights. Their own sizes, rates and losses are
kept. Of up to `EPOCHS` epochs, the weights that score best on validation are kept.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dmrnet.peers.table import Array, FlatRows, LogProbabilities, scores

EPOCHS = 100
"""Largest number of epochs; more where that is less than `STEPS` steps."""

STEPS = 1_000
BATCH = 64
CANDIDATES = 10
"""Number of epochs, evenly spaced, that are scored on validation."""

AT_ONCE = 256
"""Rows that are predicted together; M3Care's predictions depend on them."""

TABULAR = "tabular"


def fit_imml(name: str, train: FlatRows, val: FlatRows, seed: int) -> LogProbabilities:
    """Train a classifier of iMML with Adam, by its own settings.

    Args:
        name: ``imml-muse`` or ``imml-m3care``.
        train: Training rows.
        val: Validation rows, on which the epoch is chosen.
        seed: Seed of weights and order.

    Raises:
        ModuleNotFoundError: If iMML, or what it needs, is not installed.
    """
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # Warnings of its dependencies about calls that will change.
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        model, batch_of = _build(name, train)
        (optimizer,) = _listed(model.configure_optimizers())
        inputs, target = _inputs(train, train.present), torch.from_numpy(train.target)
        present = torch.from_numpy(train.present)
        epochs = max(EPOCHS, -(-STEPS // -(-len(target) // BATCH)))
        best, kept = -1.0, model.state_dict()
        predict = _predictor(model, batch_of, train.classes)
        for epoch in range(1, epochs + 1):
            model.train()
            for rows in torch.randperm(len(target)).split(BATCH):
                # Batch norms need two rows.
                if len(rows) < 2:
                    continue
                loss = model.training_step(
                    batch_of([x[rows] for x in inputs], target[rows], present[rows])
                )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            if epoch % max(1, epochs // CANDIDATES) == 0:
                score = float(np.nanmean([one.accuracy for one in scores(predict, val)]))
                if score > best:
                    best, kept = score, copy.deepcopy(model.state_dict())
        model.load_state_dict(kept)
    return predict


Batches = Callable[[list[Tensor], Tensor, Tensor], tuple[Any, ...]]
"""Makes a batch of a model from inputs, targets and presence."""


def _build(name: str, train: FlatRows) -> tuple[Any, Batches]:
    from imml.classify import MUSE, M3Care

    sizes = [column.shape[1] for column in train.columns]
    settings: dict[str, Any] = {
        "input_dim": sizes,
        "modalities": [TABULAR] * len(sizes),
        "output_dim": train.classes,
    }
    if name == "imml-muse":
        return MUSE(**settings), lambda xs, y, there: (xs, y, ~there, torch.ones_like(there[:, 0]))
    # Without a vocabulary, which only text needs, it asks the terminal whether to download one.
    return M3Care(**settings, vocab=[None]), lambda xs, y, there: (xs, y, there)


def _listed(optimizers: Any) -> list[Any]:  # noqa: ANN401
    return list(optimizers) if isinstance(optimizers, list | tuple) else [optimizers]


def _inputs(table: FlatRows, mask: Array) -> list[Tensor]:
    """Return each modality, zeros where it is not visible."""
    return [
        torch.from_numpy(np.where(mask[:, [v]], column, np.float32(0)))
        for v, column in enumerate(table.columns)
    ]


def _predictor(model: Any, batch_of: Batches, classes: int) -> LogProbabilities:  # noqa: ANN401
    def predict(table: FlatRows, mask: Array) -> Array:
        seen = np.broadcast_to(mask, table.present.shape) & table.present
        # Rows that have nothing of the combination are not scored; iMML needs something of each.
        shown = np.where(seen.any(1, keepdims=True), seen, table.present)
        inputs, present = _inputs(table, shown), torch.from_numpy(shown.copy())
        target = torch.zeros(len(present), dtype=torch.int64)
        model.eval()
        with torch.no_grad():
            outputs = [
                model.predict_step(batch_of([x[rows] for x in inputs], target[rows], present[rows]))
                for rows in torch.arange(len(present)).split(AT_ONCE)
            ]
        p = torch.cat(outputs).double().reshape(len(present), classes).clamp_min(1e-12)
        result: Array = (p / p.sum(1, keepdim=True)).log().numpy()
        return result

    return predict
