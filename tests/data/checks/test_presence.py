"""Patterns of presence against plain loops, and the chi-square test against scipy's."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import chi2_contingency

from dmrnet.data.checks.presence import chi_square_p, dependences, patterns
from dmrnet.data.dataset import ArrayDataset
from dmrnet.modalities import Modality, Task
from dmrnet.targets.classes import UNLABELLED

TASK = Task((Modality("a", "vector", (2,)), Modality("b", "vector", (1,))), ("x", "y", "z"))


def part(present: torch.Tensor, target: torch.Tensor) -> ArrayDataset:
    n = len(target)
    return ArrayDataset(TASK, {"a": torch.ones(n, 2), "b": torch.ones(n, 1)}, present, target)


def test_patterns_count_combinations_by_class() -> None:
    present = torch.tensor([[1, 1], [1, 0], [1, 0], [1, 1], [1, 0], [0, 1]]).bool()
    data = part(present, torch.tensor([0, 0, 1, 0, UNLABELLED, 2]))
    found = patterns(data)
    assert found == {"a": [1, 1, 0], "a+b": [2, 0, 0], "b": [0, 0, 1]}
    assert list(found) == ["a", "a+b", "b"]
    assert list(patterns(data, most=1)) == ["a"]


def test_chi_square_is_that_of_scipy() -> None:
    table = torch.tensor([[20.0, 30.0, 0.0, 12.0], [25.0, 11.0, 0.0, 19.0]])
    expected = chi2_contingency(table[:, [0, 1, 3]].numpy(), correction=False).pvalue
    assert chi_square_p(table.double()) == pytest.approx(expected)
    assert chi_square_p(torch.tensor([[3.0, 0.0], [0.0, 2.0]])) is None  # too few
    assert chi_square_p(torch.tensor([[30.0, 30.0], [0.0, 0.0]])) is None


def test_presence_that_tells_the_class_is_found() -> None:
    target = torch.arange(300) % 3
    present = torch.ones(300, 2, dtype=torch.bool)
    present[:, 0] = (target != 1) | (torch.arange(300) % 2 == 0)
    present[:, 1] = torch.arange(300) // 3 % 2 == 0  # says nothing of the class
    present[~present.any(1), 1] = True
    present[:, 1] |= ~present[:, 0]
    (one,) = [d for d in dependences(part(present, target)) if d.modality == "a"]
    assert one.p < 1e-6
    assert one.shares == pytest.approx((1.0, 0.5, 1.0))
    assert not dependences(part(torch.ones(300, 2, dtype=torch.bool), target))
