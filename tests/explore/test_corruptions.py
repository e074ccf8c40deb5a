"""Corruptions: of the right size, where they should be, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmrnet.explore import CORRUPTIONS, corrupt

SHAPES = ((40,), (3, 50), (2, 20, 30), (2, 6, 8, 10))
KINDS = [one.name for one in CORRUPTIONS]


def deviation(shape: tuple[int, ...]) -> np.ndarray:
    return 1.0 + np.arange(shape[0])


@pytest.mark.parametrize("shape", SHAPES)
def test_noise_has_the_deviation_asked_for(shape: tuple[int, ...]) -> None:
    x = np.full(shape, 7.0)
    drawn = [corrupt(x, "noise", 2.0, seed, deviation(shape)) - x for seed in range(200)]
    per_channel = np.stack(drawn, 1).reshape(shape[0], -1)
    np.testing.assert_allclose(per_channel.std(1), 2 * deviation(shape), rtol=0.25)
    half = corrupt(x, "noise", 1.0, 3, deviation(shape)) - x
    np.testing.assert_allclose(2 * half, drawn[3])


@pytest.mark.parametrize("shape", SHAPES)
def test_a_blackout_covers_its_share(shape: tuple[int, ...]) -> None:
    x = np.full(shape, 7.0, np.float32)
    small, large = (corrupt(x, "blackout", s, 5, deviation(shape)) == 0 for s in (0.25, 0.5))
    assert small.mean() == pytest.approx(0.25, abs=0.08)
    assert large.mean() == pytest.approx(0.5, abs=0.08)
    assert (large | ~small).all() or len(shape) > 1
    assert (corrupt(x, "blackout", 1.0, 0, deviation(shape)) == 0).all()
    if len(shape) > 1:
        # All channels fail together.
        assert (small == small[:1]).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_drift_grows_over_time_where_there_is_time(shape: tuple[int, ...]) -> None:
    x = np.zeros(shape)
    drift = corrupt(x, "drift", 3.0, 2, deviation(shape)) / deviation(shape).reshape(
        -1, *[1] * (len(shape) - 1)
    )
    if len(shape) in (2, 4):
        np.testing.assert_allclose(drift[:, 0], 0)
        np.testing.assert_allclose(np.abs(drift[:, -1]), 3)
        assert (np.diff(np.abs(drift), axis=1) > 0).all()
    else:
        np.testing.assert_allclose(np.abs(drift), 3)
    # One sign for each channel, both among them.
    signs = np.sign(drift.reshape(shape[0], -1)[:, -1])
    assert set(signs) <= {-1, 1}
    ends = drift[:, -1] if len(shape) in (2, 4) else drift
    np.testing.assert_array_equal(np.sign(ends.reshape(shape[0], -1)).std(1), 0)


def test_what_is_missing_stays_missing() -> None:
    x = np.array([[1.0, 2.0, 3.0, np.nan, np.nan], [4.0, np.nan, 6.0, np.nan, np.nan]])
    for kind in KINDS:
        changed = corrupt(x, kind, 1.0, 0, np.ones(2))
        np.testing.assert_array_equal(np.isnan(changed), np.isnan(x))
    # The drift has reached its end where the sequence ends.
    drift = corrupt(x, "drift", 2.0, 0, np.ones(2)) - x
    np.testing.assert_allclose(np.abs(drift[:, 2]), 2)


@given(st.sampled_from(KINDS), st.sampled_from(SHAPES), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_any_corruption_keeps_shape_and_type(
    kind: str, shape: tuple[int, ...], strength: float, seed: int
) -> None:
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    before = x.copy()
    first, second = (corrupt(x, kind, strength, seed, deviation(shape)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (first.shape, first.dtype) == (x.shape, x.dtype)
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(corrupt(x, kind, 0.0, seed, deviation(shape)), x)


@pytest.mark.parametrize(("kind", "strength"), [("rain", 1), ("noise", 6), ("blackout", 1.5)])
def test_others_are_refused(kind: str, strength: float) -> None:
    with pytest.raises(ValueError, match="expected a"):
        corrupt(np.zeros(3), kind, strength, 0, np.ones(3))
