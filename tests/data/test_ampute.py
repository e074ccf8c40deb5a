"""Amputation: expected shares, what is never lost, and what each mechanism depends on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from dmrnet import MultimodalDataset, ampute

MECHANISMS = ("mcar", "mar", "mnar", "block")


def made(n: int, modalities: int = 3, seed: int = 0, absent: float = 0.0) -> MultimodalDataset:
    rng = np.random.default_rng(seed)
    inputs: dict[str, Any] = {f"m{v}": rng.normal(v, 1 + v, (n, 2)) for v in range(modalities)}
    present = rng.random((n, modalities)) >= absent
    present[np.arange(n), rng.integers(modalities, size=n)] = True
    return MultimodalDataset(inputs, rng.integers(2, size=n), present=present if absent else None)


def lost_shares(before: MultimodalDataset, after: MultimodalDataset) -> Any:
    return (before.present & ~after.present).sum(0) / before.present.sum(0)


@given(
    n=st.integers(1, 40),
    modalities=st.integers(1, 4),
    rate=st.floats(0, 0.9),
    absent=st.floats(0, 0.6),
    mechanism=st.sampled_from(MECHANISMS),
    seed=st.integers(0, 9),
)
@settings(max_examples=40, deadline=None)
def test_no_sample_loses_everything_and_nothing_comes_back(
    n: int, modalities: int, rate: float, absent: float, mechanism: Any, seed: int
) -> None:
    data = made(n, modalities, seed, absent)
    try:
        after = ampute(data, rate, mechanism, seed)
    except ValueError:
        # What cannot be reached is refused; the test of refusals looks at the message.
        event("refused")
        return
    assert after.present.any(1).all()
    assert not (after.present & ~data.present).any()
    for column, name in enumerate(data.modalities):
        there = after.present[:, column]
        assert (after.read(name)[there] == data.read(name)[there]).all()
        assert np.isnan(after.read(name)[data.present[:, column] & ~there]).all()
    assert ampute(data, rate, mechanism, seed).fingerprint == after.fingerprint


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("rates", [{"m0": 0.7, "m2": 0.2}, 0.5])
def test_the_share_lost_is_what_was_asked(mechanism: Any, rates: Any) -> None:
    n = 5_000
    data = made(n, absent=0.1)
    wanted = [rates.get(f"m{v}", 0) if isinstance(rates, dict) else rates for v in range(3)]
    shares = lost_shares(data, ampute(data, rates, mechanism, 1))
    # Four standard deviations of a binomial share; blocks are exact.
    tolerance = 1 / n if mechanism == "block" else 4 * 0.5 / np.sqrt(0.7 * n)
    assert shares == pytest.approx(wanted, abs=tolerance)


def test_mcar_is_independent_given_that_something_is_left() -> None:
    """Of three modalities lost with odds 1, the seven combinations are equally likely."""
    shares = ampute(made(20_000), 3 / 7, "mcar").present @ [1, 2, 4]
    counts = np.bincount(shares, minlength=8)
    assert counts[0] == 0
    assert counts[1:] / 20_000 == pytest.approx(1 / 7, abs=0.011)


def standardised(data: MultimodalDataset, name: str) -> Any:
    mean = data.read(name).mean(1)
    return (mean - mean.mean()) / mean.std()


def test_what_a_loss_depends_on() -> None:
    data = made(10_000, 2)
    by_own, by_other = {}, {}
    for mechanism in ("mcar", "mar", "mnar"):
        lost = ~ampute(data, {"m1": 0.3}, mechanism, 2).present[:, 1]
        by_other[mechanism], by_own[mechanism] = (
            standardised(data, name)[lost].mean() for name in ("m0", "m1")
        )
    assert by_own == pytest.approx({"mcar": 0, "mar": 0, "mnar": by_own["mnar"]}, abs=0.1)
    assert by_other == pytest.approx({"mcar": 0, "mar": by_other["mar"], "mnar": 0}, abs=0.1)
    assert by_own["mnar"] > 0.5
    assert by_other["mar"] > 0.5
    turned = ~ampute(data, {"m1": 0.3}, "mnar", 2, strength=-2.0).present[:, 1]
    assert standardised(data, "m1")[turned].mean() < -0.5


def test_mar_depends_only_on_what_is_still_seen() -> None:
    """Of two modalities, the one that is left predicts the loss, the lost one does not."""
    data = made(10_000, 2)
    present = ampute(data, 0.3, "mar").present
    for lost, kept in ((0, 1), (1, 0)):
        rows = ~present[:, lost]
        assert standardised(data, f"m{kept}")[rows].mean() > 0.4
        assert standardised(data, f"m{lost}")[rows].mean() == pytest.approx(0, abs=0.1)


def test_blocks_are_runs_of_rows() -> None:
    lost = ~ampute(made(1000, 2), {"m0": 0.2}, "block", 3, block=20).present[:, 0]
    starts = int((lost & ~np.roll(lost, 1)).sum())
    assert lost.sum() == 200
    assert 1 <= starts <= 20
    alone = ~ampute(made(1000, 2), {"m0": 0.2}, "block", 3, block=1).present[:, 0]
    assert (alone & ~np.roll(alone, 1)).sum() > 100


def test_integers_are_erased_and_marked() -> None:
    data = MultimodalDataset(
        {"a": np.ones((50, 2), int), "b": np.ones((50, 2))}, samples=[str(i) for i in range(50)]
    )
    after = ampute(data, {"a": 0.4}, "block")
    assert after.present.sum(0).tolist() == [30, 50]
    assert after.read("a").sum() == 60
    assert after.read("samples").tolist() == data.read("samples").tolist()


@pytest.mark.parametrize(
    ("rate", "options", "message"),
    [
        (0.3, {"mechanism": "mnra"}, "did you mean 'mnar'"),
        ({"m9": 0.3}, {}, "unknown modality"),
        (1.2, {}, "from 0 to 1"),
        (float("nan"), {}, "from 0 to 1"),
        (0.3, {"block": 3}, "with mechanism block"),
        (0.3, {"mechanism": "block", "block": 0}, "1 row or more"),
        (0.3, {"strength": float("inf")}, "finite strength"),
        *((0.9, {"mechanism": one}, "lower the rates") for one in MECHANISMS),
    ],
)
def test_a_wrong_request_is_refused(rate: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ampute(made(60), rate, **options)
