"""Samples that are kept for reports: which, and how they are shrunk."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import torch

from dmrnet.data.dataset import ArrayDataset
from dmrnet.engine.scores.shown import choose, errors_of, pack_shown, picture, worst_of
from dmrnet.evaluation import Evaluation, MaskPredictions
from dmrnet.modalities import Modality, Task, all_combinations

PICTURE = Modality("cam", "image", (3, 80, 40))
CURVE = Modality("imu", "sequence", (9, 300))
TABLE = Modality("tab", "vector", (4,))


def test_each_group_is_chosen_evenly() -> None:
    full = torch.tensor([0, 0, 0, 0, 1, 1, 1, 0, 0, 0]).double()
    worst = torch.tensor([1, 1, 1, 1, 1, 1, 0, 0, 0, 0]).double()
    allowed = torch.ones(10, dtype=torch.bool)
    chosen = choose(full, worst, allowed).tolist()
    # Wrong without modalities, wrong with all, right with both.
    assert set(chosen[:2]) <= {0, 1, 2, 3}
    assert set(chosen[2:4]) <= {4, 5, 6}
    assert set(chosen[4:]) <= {7, 8, 9}
    assert len(set(chosen)) == 6
    allowed[:4] = False
    assert not set(choose(full, worst, allowed).tolist()) & {0, 1, 2, 3}


def test_numbers_are_chosen_by_their_errors() -> None:
    full = torch.tensor([0.1, 0.2, 5.0, 4.0, 0.3, 0.05])
    worst = torch.tensor([3.0, 0.2, 5.0, 4.0, 2.0, 0.05])
    chosen = choose(full, worst, torch.ones(6, dtype=torch.bool)).tolist()
    assert chosen == [0, 4, 2, 3, 5, 1]


@pytest.mark.parametrize("target", ["classes", "ordinal", "multi-label", "regression"])
def test_errors_of_every_target(target: str) -> None:
    task = Task((TABLE,), ("a", "b", "c"), target=target)  # type: ignore[arg-type]
    if target in ("classes", "ordinal"):
        found = errors_of(task, torch.tensor([0, 2]), torch.tensor([[2, 2], [1, 1]]))
        assert found.tolist() == ([[1, 0], [1, 1]] if target == "classes" else [[2, 0], [1, 1]])
    elif target == "multi-label":
        truth = torch.tensor([[1, 0, 1]])
        found = errors_of(task, truth, torch.tensor([[[0, 0, 1]], [[0, 1, 0]]]))
        assert found.tolist() == [[1], [3]]
    else:
        truth = torch.tensor([[0.0, 0.0, 0.0], [2.0, 20.0, 0.0]])
        found = errors_of(task, truth, truth[None] + torch.tensor([2.0, 20.0, 0.0]))
        assert found[0, 0].item() == pytest.approx(2 * 2**0.5)


def test_the_worst_has_enough_samples() -> None:
    errors = torch.tensor([[0.0] * 30, [1.0] * 30, [0.5] * 30])
    scored = torch.ones(3, 30, dtype=torch.bool)
    scored[1, 5:] = False
    assert worst_of(errors, scored) == 2
    assert worst_of(errors, torch.zeros(3, 30, dtype=torch.bool)) is None


def test_pictures_are_small() -> None:
    values = torch.rand(2, 3, 80, 40)
    assert picture(PICTURE, values).shape == (2, 3, 64, 32)
    assert picture(Modality("d", "image", (2, 8, 9)), torch.rand(2, 2, 8, 9)).shape == (2, 1, 8, 9)
    curves = picture(CURVE, torch.rand(2, 9, 300))
    assert curves.shape == (2, 6, 128)
    assert curves.min() == 0
    assert curves.max() == 255
    ragged = Modality("r", "sequence", (2, 10), ragged=True)
    assert picture(ragged, torch.rand(2, 2, 10)).shape == (2, 1, 10)
    volume = Modality("v", "volume", (1, 5, 8, 8))
    cube = torch.rand(1, 1, 5, 8, 8)
    image = Modality("i", "image", (1, 8, 8))
    assert (picture(volume, cube) == picture(image, cube[:, :, 2])).all()


def test_what_is_packed_fits_together() -> None:
    task = Task((PICTURE, TABLE), ("a", "b"))
    n = 30
    arrays = {"cam": torch.rand(n, 3, 80, 40), "tab": torch.rand(n, 4)}
    target = torch.arange(n) % 2
    present = torch.ones(n, 2, dtype=torch.bool)
    dataset = ArrayDataset(task, arrays, present, target)
    masks = all_combinations(2)
    predicted = target.repeat(3, 1)
    alone = masks.tolist().index([False, True])
    predicted[alone, ::3] = 1 - target[::3]
    scored = torch.ones(3, n, dtype=torch.bool)
    kept = MaskPredictions(torch.arange(n), target, scored, torch.zeros(3, n, 2))
    counts = torch.zeros(3, 2, 2, dtype=torch.int64)
    packed = pack_shown(dataset, Evaluation(masks, counts, counts, None, kept), predicted)
    assert packed is not None
    found = np.load(BytesIO(packed))
    assert found["combination"].tolist() == ["cam+tab", "tab"]
    assert found["input/cam"].shape == (4, 3, 64, 32)
    assert "input/tab" not in found
    index = found["index"]
    assert (found["predicted"][1] == predicted[alone, index].numpy()).all()
    assert (index[:2] % 3 == 0).all()
    only = ArrayDataset(Task((TABLE,), ("a", "b")), {"tab": arrays["tab"]}, present[:, :1], target)
    one = Evaluation(all_combinations(1), counts, counts, None, kept)
    assert pack_shown(only, one, predicted[:1]) is None
