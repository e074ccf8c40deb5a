"""Classes of single predictions at thresholds that were set on validation, here and when served."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from dmrnet.confidence import Confidence
from dmrnet.engine.scores.thresholds import decided, predicted_labels, thresholds_of
from dmrnet.evaluation import AttackErrors, MaskPredictions
from dmrnet.modalities import Task, all_combinations, name_of
from dmrnet.modalities.task import Modality
from dmrnet.serve.answers import decided as served

NAMES = ("rgb", "ir")
COMBINATIONS = all_combinations(2)
THRESHOLDS = torch.tensor([0.2, 0.93, torch.nan], dtype=torch.float64)


def run_with(facts: dict[str, Any], threshold: str = "eer") -> Any:
    """A run of which only what thresholds need is there."""
    data = SimpleNamespace(metric="acer", bona_fide=0, threshold=threshold)
    return SimpleNamespace(
        settings=SimpleNamespace(data=data, training=SimpleNamespace(select_by=None)),
        task=Task(tuple(Modality(name, "vector", (2,)) for name in NAMES), ("real", "attack")),
        folder=SimpleNamespace(read_facts=lambda: facts, facts="run.json"),
    )


@pytest.mark.parametrize("tempered", [False, True])
def test_single_predictions_are_those_that_were_scored(tempered: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    p = torch.rand(3, 200, 1, generator=draw)
    p = torch.cat([p, 1 - p], -1)
    target = torch.arange(200) % 2
    every = torch.ones(3, 200, dtype=torch.bool)
    predictions = MaskPredictions(torch.arange(200), target, every, p)
    expected = predicted_labels(AttackErrors(0, "eer"), predictions, THRESHOLDS)
    values = [None if value != value else value for value in THRESHOLDS.tolist()]
    names = [name_of(mask, NAMES) for mask in COMBINATIONS]
    run = run_with({"thresholds": dict(zip(names, values, strict=True))})
    confidence = None
    if tempered:
        unknown = torch.full((3, 2, 2), torch.nan, dtype=torch.float64)
        temperature = torch.tensor([0.4, 2.5, 1.7], dtype=torch.float64)
        confidence = Confidence(COMBINATIONS, temperature, p[..., 0], unknown, unknown)
    own = thresholds_of(run, confidence)
    assert own is not None
    model: Any = SimpleNamespace(
        metadata={"thresholds": {"accepts": own.accepts, "values": own.values}},
        names=NAMES,
    )
    for row, mask in enumerate(COMBINATIONS):
        seen = mask.expand(200, -1)
        given = p[row] if confidence is None else confidence.calibrate(p[row], seen)
        found = decided(run, given, seen, confidence)
        # Where no threshold is defined, nothing was scored: the most probable class.
        wanted = expected[row] if THRESHOLDS[row] == THRESHOLDS[row] else given.argmax(1)
        assert torch.equal(found, wanted)
        assert not torch.equal(found, given.argmax(1)) or row == 2
        np.testing.assert_array_equal(served(given.numpy(), seen.numpy(), model), found)


def test_without_thresholds_of_its_own_it_is_the_most_probable_class() -> None:
    p = torch.tensor([[0.3, 0.7], [0.9, 0.1]])
    seen = torch.ones(2, 2, dtype=torch.bool)
    assert decided(run_with({}, "half"), p, seen, None).tolist() == [1, 0]
    with pytest.raises(ValueError, match="expected the thresholds that training set"):
        decided(run_with({}), p, seen, None)
