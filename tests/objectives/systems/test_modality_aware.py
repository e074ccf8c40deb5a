"""MMANet's modality-aware regularisation, against loops."""

from __future__ import annotations

import math

import pytest
import torch
from tests.objectives.mmanet import (
    TASK,
    WEIGHTS,
    batch_of,
    built,
    built_dense,
    dense_batch,
)

from dmrnet.modalities import all_combinations, name_of


def test_modality_aware_regularisation_is_of_weak_samples_only() -> None:
    mask = all_combinations(3)
    for recipe in ("best", "released"):
        model, _ = built(recipe=recipe, margin_weight=0.0)
        model.weak.strong[1] = True
        model.weak.ranked.fill_(True)
        loss = model.training_loss(batch_of(mask), 5)
        term = next(t for t in model.objective.terms if t.name == "modality_aware")
        logits = term.predictor(term.fusion(loss.step.feats, mask).map).logits.tolist()
        ce = [
            math.log(sum(math.exp(x) for x in row)) - row[int(y)]
            for row, y in zip(logits, loss.step.batch.target, strict=True)
        ]
        weak = [i for i, m in enumerate(mask) if name_of(m, TASK.modalities) in ("a", "c", "a+c")]
        expected = sum(ce[i] for i in weak) / len(mask)
        if recipe == "released":
            expected = len(weak) * sum(ce) / len(mask)
        assert loss.parts["modality_aware"].item() == pytest.approx(expected, rel=1e-4)
        torch.testing.assert_close(
            loss.total, loss.step.task.mean + 0.5 * loss.parts["modality_aware"]
        )


def test_pixels_of_weak_combinations_are_classified_again() -> None:
    model, _ = built_dense(margin_weight=0.0)
    some = dense_batch()
    loss = model.training_loss(some, 5)
    term = next(t for t in model.objective.terms if t.name == "modality_aware")
    fused = term.fusion(loss.step.feats, some.mask)
    logits = term.predictor(fused.map, fused.skips).logits
    total = whole = 0.0
    for n in range(3):
        for y in range(32):
            for x in range(16):
                label = int(some.target[n, y, x])
                if label < 0:
                    continue
                whole += WEIGHTS[label]
                if bool(some.mask[n].all()):  # of two modalities both alone are weak
                    continue
                row = logits[n, :, y, x].tolist()
                norm = math.log(sum(math.exp(v) for v in row))
                total += WEIGHTS[label] * (norm - row[label])
    assert loss.parts["modality_aware"].item() == pytest.approx(total / whole, rel=1e-4)
    torch.testing.assert_close(loss.total, loss.step.task.mean + 0.5 * loss.parts["modality_aware"])
    loss.total.backward()
    assert all(p.grad is not None for p in model.parameters())
