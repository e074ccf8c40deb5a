"""PixelIoU against scikit-learn and our own counts, over batches and processes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, jaccard_score

from dmrnet.evaluation import PixelIoU, ious, mean_iou

CLASSES = 4


def images(seed: int, count: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits of images of 5 x 7 and labels, a fifth of which are void."""
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, CLASSES, 5, 7, generator=draw)
    return logits, torch.randint(-1, CLASSES, (count, 5, 7), generator=draw)


@settings(max_examples=25)
@given(st.integers(0, 99), st.booleans(), st.sampled_from([-1, 255, CLASSES]))
def test_it_equals_scikit_learn_over_all_batches(seed: int, as_logits: bool, void: int) -> None:
    logits, target = images(seed)
    labelled = target >= 0
    truth, guess = target[labelled].numpy(), logits.argmax(1)[labelled].numpy()
    predicted = logits if as_logits else logits.argmax(1)
    mean, each = PixelIoU(CLASSES, void=void), PixelIoU(CLASSES, "each", void)
    for rows in torch.arange(len(target)).split(4):
        for metric in (mean, each):
            metric.update(predicted[rows], torch.where(labelled, target, void)[rows])
    every = {"labels": range(CLASSES)}
    assert mean.compute().item() == pytest.approx(
        jaccard_score(truth, guess, average="macro", **every)
    )
    np.testing.assert_allclose(each.compute(), jaccard_score(truth, guess, average=None, **every))
    counts = torch.tensor(confusion_matrix(truth, guess, **every))
    assert torch.equal(mean.confmat, counts)
    assert torch.equal(mean.compute(), mean_iou(counts))
    assert torch.equal(each.compute(), ious(counts))


def test_a_class_in_neither_is_undefined_and_not_in_the_mean() -> None:
    guess, truth = torch.tensor([[0, 0, 3, 1]]), torch.tensor([[0, 1, -1, 1]])
    each, mean = PixelIoU(CLASSES, "each"), PixelIoU(CLASSES)
    for metric in (each, mean):
        metric.update(guess, truth)
    # Class 3 is predicted only at an unlabelled pixel.
    np.testing.assert_allclose(each.compute(), [0.5, 0.5, math.nan, math.nan], equal_nan=True)
    assert mean.compute() == 0.5
    mean.reset()
    mean.update(guess, torch.full_like(truth, -1))
    assert mean.compute().isnan()


def test_predictions_of_unlabelled_pixels_are_not_read() -> None:
    logits, target = images(0)
    expected = PixelIoU(CLASSES)
    expected.update(logits, target)
    void = target == -1
    for predicted in (
        logits.masked_fill(void[:, None], math.nan),
        logits.argmax(1).masked_fill(void, 255),
    ):
        metric = PixelIoU(CLASSES)
        metric.update(predicted, target)
        assert torch.equal(metric.confmat, expected.confmat)


def test_label_maps_as_they_are_stored() -> None:
    _, target = images(0)
    stored = target.to(torch.uint8)
    assert int(stored.max()) == 255
    metric = PixelIoU(CLASSES, void=255)
    metric.update(stored.clamp(max=CLASSES - 1), stored)
    assert metric.compute() == 1
    with pytest.raises(ValueError, match="labels from 0 to 3, got 0 to 255; void is -1"):
        PixelIoU(CLASSES).update(stored, stored)


LABELS = torch.zeros(2, 3, 5).long()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: PixelIoU(0), "one class or more, got 0"),
        (lambda: PixelIoU(3, "worst"), "mean or each, got 'worst'"),
        (lambda: PixelIoU(3, void=2), "void below 0 or from 3 on"),
        (lambda: PixelIoU(3).update(LABELS + 3, LABELS), "predictions from 0 to 2, got 3 to 3"),
        (lambda: PixelIoU(3).update(LABELS - 1, LABELS), "predictions from 0 to 2, got -1 to -1"),
        (lambda: PixelIoU(3).update(LABELS, LABELS - 2), "labels from 0 to 2, got -2 to -2; void"),
        (lambda: PixelIoU(3).update(LABELS[:1], LABELS), r"\(2, 3, 5\) .* got \(1, 3, 5\); bring"),
        (
            lambda: PixelIoU(3).update(torch.zeros(2, 4, 3, 5), LABELS),
            r"logits \(B, M, H, W\) as \(2, 3, 3, 5\) .* 3 classes, got \(2, 4, 3, 5\)",
        ),
        (lambda: PixelIoU(3).update(torch.zeros(2, 3, 5), LABELS), r"logits .* got \(2, 3, 5\)"),
        (lambda: PixelIoU(3).update(torch.full((2, 3, 3, 5), math.nan), LABELS), "finite logits"),
    ],
)
def test_invalid_arguments_are_refused(call, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_labels_are_whole_numbers() -> None:
    with pytest.raises(TypeError, match="labels as whole numbers, got"):
        PixelIoU(3).update(LABELS, LABELS.float())
