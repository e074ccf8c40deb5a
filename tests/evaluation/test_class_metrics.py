"""Metrics of classes against torchmetrics', one combination at a time."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_auroc,
    multiclass_average_precision,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_recall,
)

from dmrnet.evaluation import class_metrics
from dmrnet.evaluation.class_metrics import (
    balanced_accuracy,
    macro_f1,
    majority_share,
    predicted_classes,
    ranking_metrics,
    recalls,
)
from dmrnet.evaluation.combinations import MaskPredictions


def drawn(seed: int, classes: int, samples: int = 40, ties: bool = False) -> MaskPredictions:
    draw = torch.Generator().manual_seed(seed)
    target = torch.randint(0, classes, (samples,), generator=draw)
    target[:classes] = torch.arange(classes)
    logits = torch.randn(3, samples, classes, generator=draw) + torch.nn.functional.one_hot(target)
    scored = torch.rand(3, samples, generator=draw) < 0.8
    scored[:, : 2 * classes] = True
    probabilities = logits.softmax(-1)
    if ties:
        probabilities = (probabilities * 8).round() / 8
    return MaskPredictions(torch.arange(samples), target, scored, probabilities)


@given(st.integers(0, 10_000), st.integers(2, 5), st.booleans())
@settings(max_examples=20)
def test_ranking_is_that_of_torchmetrics(seed: int, classes: int, ties: bool) -> None:
    predictions = drawn(seed, classes, ties=ties)
    auroc, precision = ranking_metrics(predictions)
    for k, rows in enumerate(predictions.scored):
        p, y = predictions.probabilities[k, rows], predictions.target[rows]
        torch.testing.assert_close(auroc[k].float(), multiclass_auroc(p, y, classes))
        torch.testing.assert_close(
            precision[k].float(), multiclass_average_precision(p, y, classes)
        )


@pytest.mark.parametrize("classes", [2, 4])
def test_counts_give_those_of_torchmetrics(classes: int) -> None:
    predictions = drawn(3, classes)
    confusion = torch.stack(
        [
            multiclass_confusion_matrix(p[rows], predictions.target[rows], classes)
            for p, rows in zip(predictions.probabilities, predictions.scored, strict=True)
        ]
    )
    for k, rows in enumerate(predictions.scored):
        p, y = predictions.probabilities[k, rows], predictions.target[rows]
        each = multiclass_recall(p, y, classes, average=None)
        torch.testing.assert_close(recalls(confusion)[k].float(), each)
        mean = multiclass_accuracy(p, y, classes, average="macro")
        torch.testing.assert_close(balanced_accuracy(confusion)[k].float(), mean)
        f1 = multiclass_f1_score(p, y, classes, average="macro")
        torch.testing.assert_close(macro_f1(confusion)[k].float(), f1)
        assert majority_share(confusion)[k] == int(y.bincount().max()) / len(y)
        assert predicted_classes(confusion)[k] == len(p.argmax(1).unique())


def test_a_constant_is_worth_nothing_by_any_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    target = (torch.arange(101) == 0).long()
    constant = torch.tensor([0.9, 0.1]).expand(2, 101, 2)
    scored = torch.ones(2, 101, dtype=torch.bool)
    predictions = MaskPredictions(torch.arange(101), target, scored, constant)
    monkeypatch.setattr(class_metrics, "NUMBERS_AT_ONCE", 202)  # one combination at a time
    auroc, precision = ranking_metrics(predictions)
    assert auroc.tolist() == [0.5, 0.5]
    assert precision.tolist() == pytest.approx([0.5, 0.5])
    confusion = torch.tensor([[100, 0], [1, 0]])
    assert balanced_accuracy(confusion) == 0.5
    assert majority_share(confusion) == pytest.approx(100 / 101)
    assert predicted_classes(confusion) == 1


def test_a_class_without_samples_is_left_out_and_no_samples_are_undefined() -> None:
    predictions = drawn(1, 3)
    absent = predictions.target != 2
    scored = predictions.scored & absent
    scored[2] = False
    only = MaskPredictions(predictions.index, predictions.target, scored, predictions.probabilities)
    auroc, precision = ranking_metrics(only)
    assert auroc[:2].isfinite().all()
    assert precision[:2].isfinite().all()
    assert auroc[2].isnan()
    assert precision[2].isnan()
    assert recalls(torch.tensor([[2, 1, 0], [0, 3, 0], [0, 0, 0]]))[2].isnan()
    assert balanced_accuracy(torch.zeros(2, 2)).isnan()
    assert majority_share(torch.zeros(2, 2)).isnan()


def test_samples_may_differ_between_combinations() -> None:
    predictions = drawn(5, 3)
    target = predictions.target.expand(3, -1).clone()
    target[1] = target[1].flip(0)
    probabilities, scored = predictions.probabilities.clone(), predictions.scored.clone()
    probabilities[1], scored[1] = probabilities[1].flip(0), scored[1].flip(0)
    other = MaskPredictions(predictions.index, target, scored, probabilities)
    for one, same in zip(ranking_metrics(other), ranking_metrics(predictions), strict=True):
        torch.testing.assert_close(one, same)
