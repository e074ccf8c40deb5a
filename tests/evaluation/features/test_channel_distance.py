"""Inter-channel distance against a slow loop in numpy, and its errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dmrnet.evaluation import Distances, channel_distance
from dmrnet.evaluation.features.channel_distance import BINS, FORMS, DistanceForm


def maps(channels: int, seed: int, batch: int = 3, zero: int | None = None) -> torch.Tensor:
    made = torch.randn(batch, channels, 2, 3, generator=torch.Generator().manual_seed(seed))
    if zero is not None:
        made[:, zero] = 0
    return made


def slowly(first: NDArray[np.float64], second: NDArray[np.float64], form: DistanceForm) -> object:
    """Follow Eq. 14-15 number by number; a channel of zeros has no distance."""
    samples, m, n = len(first), first.shape[1], second.shape[1]
    result = np.full((samples, m, n), np.nan)
    for i in range(samples):
        for k in range(m):
            f_k = first[i, k].reshape(-1)
            if not f_k.any():
                continue
            row = [sum(a * b for a, b in zip(f_k, second[i, c].reshape(-1))) for c in range(n)]  # noqa: B905
            for c in range(n):
                f_c = second[i, c].reshape(-1)
                if not f_c.any():
                    continue
                if form == "printed":
                    length = sum(x * x for x in row) ** 0.5
                else:
                    length = (sum(x * x for x in f_k) * sum(x * x for x in f_c)) ** 0.5
                if length > 0:
                    result[i, k, c] = 1 - row[c] / length
    return result


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("zero", [None, 1])
def test_it_equals_a_loop_within_and_between_modalities(
    form: DistanceForm, zero: int | None
) -> None:
    first, second = maps(4, 0, zero=zero), maps(5, 1, zero=None if zero is None else 3)
    for other in (first, second):
        found = channel_distance(first, None if other is first else other, form)
        expected = slowly(first.double().numpy(), other.double().numpy(), form)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-12)
        assert bool(found.isnan().any()) is (zero is not None)


def test_cosine_ignores_the_scale_of_a_channel_and_printed_does_not() -> None:
    first, second = maps(4, 0), maps(5, 1)
    scaled = second * torch.tensor([1.0, 1, 9, 1, 1])[:, None, None]
    torch.testing.assert_close(
        channel_distance(first, scaled, "cosine"), channel_distance(first, second, "cosine")
    )
    gap = channel_distance(first, scaled, "printed") - channel_distance(first, second, "printed")
    assert gap.abs().max() > 0.1


def test_printed_depends_on_the_number_of_channels() -> None:
    for channels in (4, 64):
        equal = torch.ones(1, channels, 2, 2)
        printed = channel_distance(equal, form="printed")
        torch.testing.assert_close(printed, torch.full_like(printed, 1 - channels**-0.5))
        assert channel_distance(equal).abs().max() < 1e-12


@pytest.mark.parametrize("form", FORMS)
def test_a_dead_channel_has_no_distance_as_a_row_or_as_a_column(form: DistanceForm) -> None:
    """Eq. 15 divides 0 by the norm of a row: a dead column would count as a distance of 1."""
    dead = channel_distance(maps(4, 0, zero=2), form=form)
    live = torch.ones(4, 4, dtype=torch.bool)
    live[2, :] = live[:, 2] = False
    assert torch.equal(dead.isnan(), ~live.expand(3, 4, 4))


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ((2, 3, 1, 1), None, r"several positions, got \(2, 3, 1, 1\)"),
        ((2, 3, 2, 2), (2, 3, 4, 4), "one grid first"),
        ((2, 3, 2, 2), (1, 3, 2, 2), "same samples"),
        ((2, 3, 4), None, "expected maps"),
    ],
)
def test_maps_without_a_channel_distance_are_refused(
    first: tuple[int, ...], second: tuple[int, ...] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        channel_distance(torch.ones(first), None if second is None else torch.ones(second))


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="printed or cosine, got 'cos'"):
        channel_distance(maps(2, 0), form="cos")  # type: ignore[arg-type]


@pytest.mark.parametrize("itself", [False, True])
def test_parts_add_up_to_the_mean_and_histogram_of_everything(itself: bool) -> None:
    distances = channel_distance(maps(6, 3, batch=9, zero=2))
    gathered = Distances()
    for part in distances.split([2, 4, 3]):
        gathered.add(part, itself)
    values = [
        float(distances[i, k, c])
        for i in range(9)
        for k in range(6)
        for c in range(6)
        if not (itself and k == c)
    ]
    defined = [value for value in values if value == value]
    assert gathered.samples == 9
    assert gathered.number == len(defined)
    assert gathered.undefined == len(values) - len(defined)
    assert gathered.mean == pytest.approx(np.mean(defined))
    assert gathered.deviation == pytest.approx(np.std(defined))
    expected, _ = np.histogram(np.clip(defined, 0, 2), bins=BINS, range=(0, 2))
    assert np.abs(gathered.counts.numpy() - expected).sum() <= 2  # a value on an edge


def test_there_is_no_mean_without_samples() -> None:
    empty = Distances()
    assert np.isnan(empty.mean)
    assert np.isnan(empty.deviation)
