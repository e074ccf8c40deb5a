"""Scores by combination against brute force over orders and failures."""

from __future__ import annotations

import math
from itertools import chain, combinations, permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmrnet import Scores

NAMES = ("cam", "radar", "lidar")


def subsets(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    sizes = range(1, len(names) + 1)
    return list(chain.from_iterable(combinations(names, size) for size in sizes))


def scores(values: list[float], metric: str = "accuracy") -> Scores:
    table = {"+".join(s): (v, 10) for s, v in zip(subsets(NAMES), values, strict=True)}
    return Scores(NAMES, "test", metric, {metric: table})


rates_of_scores = st.lists(st.floats(0, 1), min_size=7, max_size=7)


@given(rates_of_scores, st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_expected_score_is_the_mean_over_failures(values: list[float], rates: list[float]) -> None:
    table = dict(zip(subsets(NAMES), values, strict=True))
    total = seen = 0.0
    for there in product((True, False), repeat=3):
        p = math.prod(r if on else 1 - r for r, on in zip(rates, there, strict=True))
        shown = tuple(name for name, on in zip(NAMES, there, strict=True) if on)
        if shown:
            total, seen = total + p * table[shown], seen + p
    if seen < 1e-9:
        return
    expected = scores(values).expected_score(dict(zip(NAMES, rates, strict=True)))
    assert expected == pytest.approx(total / seen)
    fails = {name: 1 - rate for name, rate in zip(NAMES, rates, strict=True)}
    assert scores(values).expected_score(fails=fails) == pytest.approx(expected)


@given(rates_of_scores)
def test_modality_value_is_the_mean_gain_over_all_orders(values: list[float]) -> None:
    table = {frozenset(s): v for s, v in zip(subsets(NAMES), values, strict=True)}
    table[frozenset()] = 0.1
    gains = dict.fromkeys(NAMES, 0.0)
    for order in permutations(NAMES):
        for place, name in enumerate(order):
            before = frozenset(order[:place])
            gains[name] += (table[before | {name}] - table[before]) / 6
    value = scores(values).modality_value(nothing=0.1)
    assert value == pytest.approx(gains)
    assert sum(value.values()) == pytest.approx(table[frozenset(NAMES)] - 0.1)


def test_without_any_modality_a_constant_is_predicted_or_a_coin_tossed() -> None:
    values = [0.5, 0.4, 0.6, 0.3, 0.2, 0.35, 0.1]
    error = scores(values, "mae")
    with pytest.raises(ValueError, match="without any modality, as nothing=NUMBER"):
        error.modality_value()
    alone = {"+".join(s): (0.7, 10) for s in subsets(NAMES)}
    known = Scores(NAMES, "test", "mae", {**error.values, "constant_mae": alone})
    value = known.modality_value()
    assert value == error.modality_value(nothing=0.7)
    # Every modality takes off error.
    assert max(value.values()) < 0
    assert sum(value.values()) == pytest.approx(0.1 - 0.7)
    assert sum(scores(values, "acer").modality_value().values()) == pytest.approx(0.1 - 0.5)


def test_next_modality_puts_the_best_first() -> None:
    #        cam  radar lidar c+r  c+l  r+l  all
    table = [0.5, 0.4, 0.6, 0.7, 0.9, 0.6, 0.95]
    assert list(scores(table).next_modality("cam")) == ["lidar", "radar"]
    assert scores(table).next_modality(["cam", "lidar"]) == {"radar": pytest.approx(0.05)}
    assert list(scores(table, "acer").next_modality("cam")) == ["radar", "lidar"]
    assert scores(table, "acer").worst == ("cam+radar+lidar", 0.95)


def test_printing_shows_every_combination() -> None:
    one = scores([0.5, 0.4, float("nan"), 0.7, 0.9, 0.6, 0.95])
    lines = repr(one).splitlines()
    assert len(lines) == 8
    assert "average 67.5" in lines[0]
    assert "worst 40.0 (radar)" in lines[0]
    assert "<table" in one._repr_html_()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.expected_score({"lidra": 0.5}), "lidar"),
        (lambda s: s.expected_score({"cam": 1.5}), "from 0 to 1"),
        (lambda s: s.expected_score(dict.fromkeys(NAMES, 0.0)), "at least one"),
        (lambda s: s.expected_score({"cam": 0.5}, fails={"cam": 0.5}), "got both"),
        (lambda s: s["cam+"], "unknown modality"),
        (lambda s: s.next_modality([]), "got none"),
    ],
)
def test_a_wrong_question_is_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=message):
        call(scores([0.5] * 7))


def test_a_combination_without_a_score_is_named() -> None:
    one = Scores(("a", "b"), "test", "accuracy", {"accuracy": {"a": (0.5, 3), "a+b": (0.9, 3)}})
    with pytest.raises(ValueError, match="b has no accuracy"):
        one.modality_value()
    assert one.expected_score({"b": 0.5}) == pytest.approx(0.7)
