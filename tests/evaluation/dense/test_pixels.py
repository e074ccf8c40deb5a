"""Counts of pixels against scikit-learn, image by image and combination by combination."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, jaccard_score, log_loss

from dmrnet.data.sets.published.cwfid import CWFID
from dmrnet.evaluation import (
    MeanIoU,
    PixelEvaluation,
    Tiling,
    evaluate_pixels,
    ious,
    mean_iou,
    measure_of,
    windows,
)
from dmrnet.methods import build_method
from dmrnet.methods.base import Method
from dmrnet.modalities import Batch, Modality, Task, all_combinations, rows_of
from dmrnet.nn import Network

CLASSES = 4


def a_task(classes: int = CLASSES) -> Task:
    inputs = tuple(Modality(name, "image", (c, 32, 32)) for name, c in (("a", 1), ("b", 2)))
    return Task(inputs, tuple(f"c{k}" for k in range(classes)), dense=True)


def a_method(name: str = "dmrnet", **network) -> Method:
    torch.manual_seed(1)
    method = build_method(name, a_task(), network=Network(**{"width": 16, **network})).eval()
    for part in method.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            part.running_mean.normal_(std=0.1)
            part.running_var.uniform_(0.5, 2)
    # An untrained network says one class everywhere: made to say all of them about as often.
    inputs = {m.name: torch.randn(4, *m.shape) for m in method.task.inputs}
    with torch.no_grad():
        logits = method(inputs, torch.ones(4, 2, dtype=torch.bool))
    last = next(p for p in reversed(list(method.predictor.modules())) if hasattr(p, "bias"))
    last.bias.data -= logits.mean((0, 2, 3))
    return method


def images(height: int, width: int, n: int = 5, present=None) -> Batch:
    """Return images of which some lack a modality (NaN there); a third of the pixels is void."""
    draw = torch.Generator().manual_seed(0)
    present = torch.ones(n, 2, dtype=torch.bool) if present is None else torch.tensor(present)
    inputs = {}
    for column, modality in enumerate(a_task().inputs):
        x = torch.randn(n, modality.shape[0], height, width, generator=draw)
        x[~present[:, column]] = torch.nan
        inputs[modality.name] = x
    target = torch.randint(-1, CLASSES - 1, (n, height, width), generator=draw)
    return Batch(inputs, present, target, torch.arange(n) + 10, where=rows_of(present, ("a", "b")))


def cut(batch: Batch, size: int) -> Iterator[Batch]:
    for rows in torch.arange(len(batch)).split(size):
        present = batch.present[rows]
        yield Batch(
            {name: x[rows] for name, x in batch.inputs.items()},
            present,
            batch.target[rows],
            batch.index[rows],
            where=rows_of(present, ("a", "b")),
        )


SOME = [[True, True], [True, False], [True, True], [False, True], [True, True]]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_counts_equal_the_whole_model_image_by_image(size: int) -> None:
    method, batch = a_method(), images(32, 48, present=SOME)
    combinations = all_combinations(2)
    found = evaluate_pixels(method, cut(batch, size), combinations, stride=16, show=[11, 14])
    assert found.index.tolist() == [10, 11, 12, 13, 14]
    total = np.zeros((3, CLASSES, CLASSES), dtype=int)
    for k, mask in enumerate(combinations):
        losses = 0.0
        for row in range(5):
            has = bool((batch.present[row] | ~mask).all())
            assert found.scored[k, row] == has
            if not has:
                assert not found.counts[k, row].any()
                continue
            with torch.no_grad():
                inputs = {name: x[row : row + 1] for name, x in batch.inputs.items()}
                logits = method(inputs, mask[None])[0]
            truth = batch.target[row].flatten().numpy()
            kept = truth >= 0
            guess = logits.argmax(0).flatten().numpy()
            counted = confusion_matrix(truth[kept], guess[kept], labels=range(CLASSES))
            assert np.array_equal(found.counts[k, row], counted)
            total[k] += counted
            p = logits.softmax(0).flatten(1).T.double().numpy()
            p /= p.sum(1, keepdims=True)
            losses += kept.sum() * log_loss(truth[kept], p[kept], labels=range(CLASSES))
            if row in (1, 4):
                shown = found.maps.index.tolist().index(row + 10)
                assert np.array_equal(found.maps.predicted[k, shown].flatten(), guess)
                labels = np.where(kept, truth, 255)
                assert np.array_equal(found.maps.truth[shown].flatten(), labels)
        assert found.log_loss[k].item() == pytest.approx(losses, rel=1e-5)
    assert np.array_equal(found.confusion, total)
    assert torch.equal(found.complete, found.counts[:, torch.tensor(SOME).all(1)].sum(1))


def test_mean_iou_is_over_all_pixels_and_defined_classes() -> None:
    draw = np.random.default_rng(0)
    truth, guess = draw.integers(0, 4, (2, 500))
    truth[guess == 3] = 0
    truth[truth == 3] = 1
    counted = torch.tensor(confusion_matrix(truth, guess, labels=range(6)))
    expected = jaccard_score(truth, guess, average=None, labels=range(4))
    assert (counted[3].sum(), counted[:, 3].sum() > 0) == (0, True)
    np.testing.assert_allclose(ious(counted)[:4], expected)
    # Predicted, but never true: 0. Neither predicted nor true: undefined, and not in the mean.
    assert ious(counted)[3] == 0
    assert ious(counted)[4:].isnan().all()
    assert mean_iou(counted).item() == pytest.approx(expected.mean())
    assert mean_iou(torch.zeros(3, 3)).isnan()
    stacked = torch.stack([counted, counted.T])
    assert mean_iou(stacked).tolist() == pytest.approx([expected.mean()] * 2)
    columns = MeanIoU().columns(stacked)
    assert next(iter(columns)) == "miou"
    assert columns["pixel_accuracy"][0].tolist() == pytest.approx([(truth == guess).mean()] * 2)


def test_data_say_that_they_are_judged_by_it() -> None:
    measure = measure_of(CWFID("root"))
    assert isinstance(measure, MeanIoU)
    assert not measure.lower_is_better


@pytest.mark.parametrize(("height", "width"), [(16, 16), (100, 70), (97, 33), (300, 41)])
@pytest.mark.parametrize("tiling", [None, Tiling(64, 16), Tiling(50, 1), Tiling(1000)])
def test_windows_cover_an_image_once(height: int, width: int, tiling: Tiling | None) -> None:
    seen = torch.zeros(height, width)
    for window in windows(height, width, 16, tiling):
        assert [s.start % 16 for s in window.seen] == [0, 0]
        assert all(s.stop % 16 == 0 for s in window.seen)
        for one, kept, target in zip(window.seen, window.kept, window.target, strict=True):
            assert one.start + kept.start == target.start
            assert kept.stop - kept.start == target.stop - target.start
        seen[window.target] += 1
        if tiling is not None:
            assert all(s.stop - s.start <= max(64, tiling.side) + 16 for s in window.seen)
    assert (seen == 1).all()
    with pytest.raises(ValueError, match="expected tiles of more than 64 pixels a side"):
        windows(500, 500, 16, Tiling(64, 32))


def scored(method: Method, batch: Batch, tiling: Tiling | None) -> PixelEvaluation:
    every = range(10, 10 + len(batch))
    return evaluate_pixels(
        method, [batch], all_combinations(2), stride=method.stride, tiling=tiling, show=every
    )


def test_tiles_equal_the_whole_image_if_they_overlap_enough() -> None:
    method, batch = a_method(), images(272, 420, 1)
    whole = scored(method, batch, None)
    tiled = scored(method, batch, Tiling(272, 112))
    same = (whole.maps.predicted == tiled.maps.predicted).double().mean()
    # Convolutions of other sizes round otherwise; a tie may fall to the other side.
    assert same > 0.9999
    torch.testing.assert_close(tiled.log_loss, whole.log_loss, rtol=1e-6, atol=0)
    none = scored(method, batch, Tiling(48, 0))
    assert (whole.maps.predicted == none.maps.predicted).double().mean() < 0.99
    # A network that looks at the image as a whole sees a tile as an image of its own.
    esanet = a_method("sf-md", family="esanet", stem=4, layout="r18")
    assert esanet.stride == 32
    batch = images(96, 128, 1)
    whole, tiled = (scored(esanet, batch, tiling) for tiling in (None, Tiling(64, 0)))
    assert not torch.equal(whole.maps.predicted, tiled.maps.predicted)
    assert tiled.confusion.sum() == whole.confusion.sum()


def test_any_size_is_predicted_and_padding_is_not_scored() -> None:
    method, batch = a_method(), images(37, 50, 2)
    found = scored(method, batch, None)
    assert found.confusion.sum((1, 2)).tolist() == [int((batch.target >= 0).sum())] * 3
    inputs = {n: torch.nn.functional.pad(x, (0, 14, 0, 11)) for n, x in batch.inputs.items()}
    with torch.no_grad():
        logits = method(inputs, torch.ones(2, 2, dtype=torch.bool))[..., :37, :50]
    assert torch.equal(found.maps.predicted[2].long(), logits.argmax(1))


def test_batches_that_cannot_be_evaluated_are_refused() -> None:
    method, batch = a_method(), images(16, 16, 1)
    with pytest.raises(ValueError, match="batches of 2 modalities with row numbers"):
        evaluate_pixels(method, [replace(batch, where=None)], all_combinations(2), stride=16)
    with pytest.raises(ValueError, match="at least one image"):
        evaluate_pixels(method, [], all_combinations(2), stride=16)
