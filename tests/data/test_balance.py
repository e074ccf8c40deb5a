"""Weights of classes against scikit-learn's, and rows drawn evenly over classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from dmrnet.data.balance import balanced_rows, class_weights_of
from dmrnet.data.dataset import ArrayDataset
from dmrnet.data.loader import TrainLoader
from dmrnet.data.splits.split import generator
from dmrnet.modalities import Modality, Task, Warmup, build_sampler

CLASSES = ("well", "ill", "=odd")
TARGET = torch.tensor([0] * 90 + [1] * 9 + [2])


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    expected = compute_class_weight("balanced", classes=np.arange(3), y=TARGET.numpy())
    weights = class_weights_of("balanced", CLASSES, TARGET.bincount())
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    root = class_weights_of("root", CLASSES, TARGET.bincount())
    np.testing.assert_allclose(root, expected**0.5, rtol=1e-6)
    # A class without samples has no part in it.
    two = class_weights_of("balanced", CLASSES, torch.tensor([90, 10, 0]))
    assert two is not None
    assert two.tolist() == pytest.approx([100 / 180, 5, 0])


def test_weights_by_name() -> None:
    weights = class_weights_of("ill=10, =odd=2.5", CLASSES, TARGET.bincount())
    assert weights is not None
    assert weights.tolist() == [1, 10, 2.5]
    assert class_weights_of("none", CLASSES, TARGET.bincount()) is None


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("balancd", "expected none, balanced, root or weights by name"),
        ("il=3", "there is no class 'il'; did you mean 'ill'"),
        ("ill=-1", "expected a weight of 0 or more, got 'ill=-1'"),
        ("ill=nan", "expected a weight of 0 or more"),
        ("ill=x", "expected a weight of 0 or more"),
        ("well=0,ill=0,=odd=0", "every sample would weigh 0"),
    ],
)
def test_other_settings_are_refused(setting: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        class_weights_of(setting, CLASSES, TARGET.bincount())


def test_rows_are_drawn_evenly_over_classes() -> None:
    rows = torch.cat([balanced_rows(TARGET, generator(0, k)) for k in range(200)])
    share = TARGET[rows].bincount() / len(rows)
    assert (share - 1 / 3).abs().max() < 5 * (2 / 9 / len(rows)) ** 0.5
    of_first = rows[TARGET[rows] == 0].bincount(minlength=90)
    assert len(of_first) == 90
    assert (of_first / of_first.sum() * 90 - 1).abs().max() < 0.4
    # A class that no row has is never drawn.
    assert set(TARGET[balanced_rows(TARGET[TARGET != 1], generator(0))].tolist()) <= {0, 1}


def loader(**options: object) -> TrainLoader:
    task = Task((Modality("a", "vector", (1,)),), CLASSES)
    data = ArrayDataset(task, {"a": torch.ones(100, 1)}, torch.ones(100, 1).bool(), TARGET)
    data.weight = torch.arange(100.0)
    sampler = Warmup(build_sampler("uniform", None), 0)
    return TrainLoader(data, 32, 0, sampler, "mask", **options)


def test_batches_carry_the_weights_of_class_and_sample() -> None:
    weights = torch.tensor([1.0, 10.0, 0.0])
    seen = torch.zeros(100)
    for batch in loader(class_weights=weights):
        assert batch.weight is not None
        seen[batch.index] = batch.weight
    assert torch.equal(seen, torch.arange(100.0) * weights[TARGET])


def test_an_epoch_of_a_balanced_draw_repeats_and_has_as_many_rows() -> None:
    one, other = (torch.cat([batch.index for batch in loader(balanced=True)]) for _ in range(2))
    assert torch.equal(one, other)
    assert len(one) == 100
    assert 20 < int((TARGET[one] == 2).sum()) < 50
