"""Angles between embeddings against a loop over pairs."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dmrnet.evaluation import centred, class_vector_angles, embedding_angles

K, N, C, M = 3, 14, 5, 3


def made(zero: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    embeddings = torch.randn(K, N, C, generator=draw, dtype=torch.float64)
    scored = torch.rand(K, N, generator=draw) < 0.8
    if zero:
        embeddings[0, 0] = 0
        scored[0, 0] = True
    return embeddings, scored, torch.arange(N) % 2


def angle(u: Tensor, v: Tensor) -> float:
    cosine = float(u @ v) / (float(u @ u) ** 0.5 * float(v @ v) ** 0.5)
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def slowly(x: Tensor, scored: Tensor, target: Tensor, c: int, a: int, b: int) -> list[float]:
    """Return same, between and directions of one class and two combinations."""
    known = [
        [i for i in range(N) if target[i] == c and scored[k, i] and bool(x[k, i].any())]
        for k in (a, b)
    ]
    same = [angle(x[a, i], x[b, i]) for i in known[0] if i in known[1]]
    between = [angle(x[a, i], x[b, j]) for i in known[0] for j in known[1] if i != j]
    means = [
        sum((x[k, i] / x[k, i].norm() for i in rows), torch.zeros(C, dtype=torch.float64))
        for k, rows in zip((a, b), known, strict=True)
    ]
    directions = angle(*means) if all(known) else math.nan
    return [mean(same), mean(between), directions]


@pytest.mark.parametrize("zero", [False, True])
def test_they_equal_a_loop_over_pairs(zero: bool) -> None:
    x, scored, target = made(zero)
    found = embedding_angles(x, scored, target, M)
    assert found.undefined == int(zero)
    for c in range(M):
        for a in range(K):
            for b in range(K):
                expected = slowly(x, scored, target, c, a, b)
                got = [float(t[c, a, b]) for t in (found.same, found.between, found.directions)]
                assert got == pytest.approx(expected, nan_ok=True, abs=1e-5)
            assert float(found.within[c, a]) == pytest.approx(
                float(found.between[c, a, a]), nan_ok=True
            )
    assert found.counts[:2].sum() == int(scored.sum()) - int(zero)
    assert found.counts[2].sum() == 0
    assert found.between[2].isnan().all()


def test_angles_of_classes_are_between_mean_directions() -> None:
    x, scored, target = made()
    found = embedding_angles(x, scored, target, M)
    for a in range(K):
        means = []
        for c in range(2):
            rows = [i for i in range(N) if target[i] == c and scored[a, i]]
            means.append(torch.stack([x[a, i] / x[a, i].norm() for i in rows]).mean(0))
        assert float(found.classes[a, 0, 1]) == pytest.approx(angle(*means))
        assert found.classes[a, 0, 2].isnan()


def test_only_rotated_combinations_exceed_the_spread_of_a_class() -> None:
    draw = torch.Generator().manual_seed(2)
    centre = torch.tensor([3.0, 0, 0, 0, 0], dtype=torch.float64)
    x = centre + torch.randn(2, 400, C, generator=draw, dtype=torch.float64)
    there, target = torch.ones(2, 400, dtype=torch.bool), torch.zeros(400, dtype=torch.int64)
    alike = embedding_angles(x, there, target, 1)
    assert alike.within.mean() > 30
    assert abs(float(alike.between[0, 0, 1] - alike.within.mean())) < 2
    assert alike.directions[0, 0, 1] < 5
    x[1] = x[1].roll(1, 1)
    turned = embedding_angles(x, there, target, 1)
    assert turned.between[0, 0, 1] - turned.within.mean() > 30
    assert turned.directions[0, 0, 1] > 80


def test_centred_moves_the_origin_to_the_mean_over_combinations() -> None:
    x, scored, _ = made()
    scored[2] = False
    x[2] = torch.nan
    means = [torch.stack([x[a, i] for i in range(N) if scored[a, i]]).mean(0) for a in range(2)]
    moved = centred(x, scored)
    torch.testing.assert_close(moved[:2], x[:2] - (means[0] + means[1]) / 2)


def test_class_vector_angles_are_means_by_class_and_combination() -> None:
    x, scored, target = made()
    vectors = torch.randn(M, C, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    found = class_vector_angles(x, scored, target, vectors)
    for c in range(M):
        for a in range(K):
            rows = [i for i in range(N) if target[i] == c and scored[a, i]]
            expected = mean([angle(x[a, i], vectors[c]) for i in rows])
            assert float(found[c, a]) == pytest.approx(expected, nan_ok=True)


def test_shapes_that_do_not_agree_are_refused() -> None:
    x, scored, target = made()
    with pytest.raises(ValueError, match=r"embeddings \(K, n, C\)"):
        embedding_angles(x, scored[:1], target, M)
    with pytest.raises(ValueError, match="expected 14 targets"):
        embedding_angles(x, scored, target[:3], M)
