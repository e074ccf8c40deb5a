"""Comparison of an exported graph with its run, on every combination."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dmrnet.confidence import Confidence
from dmrnet.data.inputs.steps import ended
from dmrnet.deploy.graph import Graph
from dmrnet.deploy.runners import Runner
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.engine.scores.scoring import combinations_of, images_at_once
from dmrnet.evaluation import predict_masks
from dmrnet.evaluation.dense.tiles import padded
from dmrnet.modalities import Modality, name_of, rows_of
from dmrnet.nn.fusion import masked
from dmrnet.targets import target_of

TOLERANCE = 1e-4
"""Largest difference of a probability, and of a logit relative to the largest one."""


@dataclass(frozen=True)
class Check:
    """Result of a comparison.

    Attributes:
        combinations: Number of combinations that were compared.
        difference: Largest difference of a probability.
    """

    combinations: int
    difference: float


def check_graph(
    run: FinishedRun, graph: Graph, runner: Runner, confidence: Confidence | None = None
) -> Check:
    """Compare a graph, as it was read back from its file, with the run on every combination.

    The run standardises by its own code, encodes once and leaves out absent rows, as in `predict`.
    The graph gets NaN where a modality is absent, and once a row without any modality. Samples are
    random numbers with the mean and deviation of the training rows.

    Args:
        run: The run.
        graph: Its graph.
        runner: Runs the file.
        confidence: What calibrates the run's probabilities, if anything.

    Raises:
        ValueError: If a combination is predicted differently.
    """
    names = [modality.name for modality in graph.inputs]
    masks = torch.ones(1, len(names)).bool() if graph.fixed else combinations_of(len(names))
    worst, kind = 0.0, target_of(run.task)
    for chunk, raw, expected in _samples(run, graph, masks):
        given = {name: x.numpy() for name, x in raw.items()}
        logits, probabilities = runner(given, None if graph.fixed else chunk.numpy())
        expected_p = expected.softmax(1) if run.task.dense else kind.probabilities(expected)
        if confidence is not None:
            expected_p = confidence.calibrate(expected_p, whole_masks(run, graph, chunk))
        wanted = expected_p.numpy()
        scale = max(1.0, float(expected.abs().max()))
        # Per row, over classes and pixels; NaN is a difference, too.
        off = np.abs(probabilities - wanted).reshape(len(chunk), -1).max(1)
        if kind.name == "regression":
            off = off / max(1.0, float(np.abs(wanted).max()))
        far = np.abs(logits - expected.numpy()).reshape(len(chunk), -1).max(1) / scale
        bad = np.flatnonzero(~((off <= TOLERANCE) & (far <= TOLERANCE)))
        if len(bad):
            row = int(bad[0])
            raise ValueError(
                f"exported, {name_of(chunk[row], names)} would be predicted differently, by "
                f"{off[row]:.1e} in a probability and {far[row]:.1e} of the largest logit (allowed "
                f"{TOLERANCE:.0e}); nothing was written: use another format (--format)"
            )
        worst = max(worst, float(off.max()))
    if not graph.fixed:
        _check_nothing(raw, runner, len(names))
    return Check(len(masks), worst)


def _samples(
    run: FinishedRun, graph: Graph, masks: Tensor
) -> Iterator[tuple[Tensor, dict[str, Tensor], Tensor]]:
    """Yield masks, raw inputs with NaN where hidden, and the run's logits, a few rows at a time."""
    draw = torch.Generator().manual_seed(0)
    one = {m.name: torch.zeros(1, *m.shape) for m in graph.inputs}
    for chunk in masks.split(min(256, images_at_once(one, None))):
        raw: dict[str, Tensor] = {}
        scaled: dict[str, Tensor] = {}
        for column, modality in enumerate(graph.inputs):
            name, present = modality.name, chunk[:, column]
            x = torch.randn((len(chunk), *modality.shape), generator=draw).double()
            if run.standardiser is not None:
                shape = (1, -1, *[1] * (x.dim() - 2))
                mean, std = run.standardiser.mean[name], run.standardiser.std[name]
                x = x * std.reshape(shape) + mean.reshape(shape)
                if name in run.standardiser.unscaled:
                    # They may be indices: whole numbers from 0 to the mean of training.
                    share = torch.rand(x.shape, generator=draw, dtype=x.dtype)
                    x = (share * mean.reshape(shape)).round()
            x = x if name in graph.fine else x.float()
            if name in graph.holes:
                x[..., ::3, ::3] = 0.0
            x = _with_gaps(x, run, modality, draw)
            scaled[name] = x
            if run.standardiser is not None:
                scaled[name] = run.standardiser.apply(name, x, present)
                if name in graph.holes:
                    scaled[name] = scaled[name].masked_fill(x == 0, 0.0)
            hidden = (~present).view(-1, *[1] * (x.dim() - 1))
            scaled[name] = masked(scaled[name].float(), present)
            raw[name] = x.masked_fill(hidden, torch.nan)
        yield chunk, raw, _run_logits(run, graph, scaled, chunk)


def _with_gaps(x: Tensor, run: FinishedRun, modality: Modality, draw: torch.Generator) -> Tensor:
    """Return raw rows with missing cells and sequences of different length, where there may be."""
    scale = run.standardiser
    if scale is not None and scale.imputer is not None:
        gap = torch.rand(x.shape, generator=draw) < 0.3
        # Not all of a row: that would be absence.
        gap.flatten(1)[:, 0] = False
        x = x.masked_fill(gap, torch.nan)
    if scale is not None and modality.name in scale.ragged:
        steps = x.shape[-1]
        x = ended(x, torch.randint(1, steps + 1, (len(x),), generator=draw))
    return x


@torch.inference_mode()
def _run_logits(run: FinishedRun, graph: Graph, scaled: dict[str, Tensor], chunk: Tensor) -> Tensor:
    """Return the logits of the run's own way of predicting, on the CPU."""
    method, names = run.method, run.task.modalities
    mask = whole_masks(run, graph, chunk)
    first = next(iter(scaled.values()))
    for modality in run.task.inputs:
        shape = (modality.shape[0], *first.shape[2:]) if run.task.dense else modality.shape
        scaled.setdefault(modality.name, torch.zeros((len(chunk), *shape)))
    inputs: Mapping[str, Any] = padded(scaled, graph.stride) if run.task.dense else scaled
    inputs = {name: inputs[name].to(run.device) for name in names}
    where = {
        name: None if rows is None else rows.to(run.device)
        for name, rows in rows_of(mask, names).items()
    }
    feats = method.cached(inputs, where)
    logits = predict_masks(method, feats, mask[None].to(run.device))[0].cpu()
    return logits[..., : first.shape[-2], : first.shape[-1]] if run.task.dense else logits


def whole_masks(run: FinishedRun, graph: Graph, chunk: Tensor) -> Tensor:
    """Return masks of a graph's modalities, bool ``(b, v)``, as those of the run's, ``(b, V)``."""
    names = run.task.modalities
    mask = torch.zeros(len(chunk), len(names), dtype=torch.bool)
    mask[:, [names.index(m.name) for m in graph.inputs]] = chunk
    return mask


def _check_nothing(raw: Mapping[str, Tensor], runner: Runner, modalities: int) -> None:
    """Refuse a graph that predicts from nothing, or from NaN that is marked present."""
    given = {name: np.full_like(x[:1].numpy(), np.nan) for name, x in raw.items()}
    for present in (False, True):
        logits, _ = runner(given, np.full((1, modalities), present))
        if not np.isnan(logits).all():
            what = "NaN that is said to be present" if present else "no modality at all"
            raise ValueError(f"exported, {what} would be predicted; nothing was written")
