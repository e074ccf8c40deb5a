"""Error rates and IoU against the released code's own numbers."""

from __future__ import annotations

import torch
from tests.parity import fixtures
from tests.parity.fixtures import TOLERANCE, classes, difference, numbers

from dmrnet.evaluation.acer import error_rates
from dmrnet.evaluation.metrics import accuracy, ious, mean_iou


def confusion(truth: torch.Tensor, predicted: torch.Tensor, number: int) -> torch.Tensor:
    return torch.bincount(truth * number + predicted, minlength=number**2).view(number, number)


def test_error_rates_are_the_released_ones_under_the_names_of_the_standard() -> None:
    """The released code calls attacks that are accepted NPCER, and swaps the other name too."""
    released = fixtures.read("scores")["faces"]
    counts = confusion(classes("labels", (50,), 2), numbers("logits", (50, 2)).argmax(1), 2)
    rates = error_rates(counts)
    assert released["APCER"] != released["NPCER"]
    for ours, theirs in ((rates.acer, "ACER"), (rates.bpcer, "APCER"), (rates.apcer, "NPCER")):
        assert difference(ours, released[theirs]) < TOLERANCE
    assert difference(accuracy(counts), released["accuracy"]) < TOLERANCE


def test_iou_is_the_released_one() -> None:
    released = fixtures.read("scores")
    truth = classes("truth", (400,), 5)
    guess = classes("guess", (400,), 5)
    counts = confusion(truth, torch.where(torch.arange(400) % 2 == 1, truth, guess), 5)
    assert difference(ious(counts), released["iou"]) < TOLERANCE
    assert difference(mean_iou(counts), released["miou"]) < TOLERANCE
