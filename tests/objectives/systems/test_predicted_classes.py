"""Counts of predicted classes, against loops."""

from __future__ import annotations

import torch

from dmrnet.objectives.systems.predicted_classes import PredictedClasses


def test_predicted_pixels_are_counted() -> None:
    seen = PredictedClasses(3, 4)
    mask = torch.tensor([[1, 1, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]]).bool()
    classes = torch.randint(4, (4, 2, 3))
    logits = torch.nn.functional.one_hot(classes, 4).movedim(3, 1).float()
    for _ in range(2):
        seen.update(mask, logits)
    for row, sample in ((3, 0), (0, 1), (2, 2), (1, None)):
        of = [] if sample is None else classes[sample].flatten().tolist()
        assert seen.sums[row].tolist() == [2 * of.count(k) for k in range(4)]
