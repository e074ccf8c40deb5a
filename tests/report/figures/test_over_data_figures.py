"""Diagrams over data sets show every system, and the groups and gains that the tables say."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from dmrnet.report.figures.drawing.systems import COLOURS
from dmrnet.report.figures.gain_diagram import gain_diagram
from dmrnet.report.figures.rank_diagram import rank_diagram
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.statistics.over_data import Pooled
from dmrnet.report.summary.over_data.gains import Gain, GainOnData
from dmrnet.report.summary.over_data.ranks import Ranking

pytestmark = pytest.mark.usefixtures("no_png")

SVG = "{http://www.w3.org/2000/svg}"


def words(figure):
    tree = ElementTree.fromstring(figure.svg)
    return ["".join(text.itertext()) for text in tree.iter(f"{SVG}text")]


def ranking_of(*ranks):
    names = tuple(f"system {number}" for number in range(len(ranks)))
    return Ranking(("u", "v", "w"), names, tuple((rank, rank, rank) for rank in ranks), ())


@pytest.mark.parametrize("count", [2, 3, 27])
def test_every_system_stands_in_the_rank_diagram(count):
    figure = rank_diagram(ranking_of(*range(1, count + 1)), "made")
    assert {f"system {number}" for number in range(count)} <= set(words(figure))
    assert figure.svg.count("data-s=") == 2 * count
    assert {"1", str(count)} <= set(words(figure))


def test_bars_join_what_does_not_differ():
    # With three systems on three data sets the critical difference is 1.91.
    for ranks, bars in [((1.0, 1.5, 3.5), 1), ((1.0, 2.5, 4.0), 2), ((1.0, 3.0, 5.0), 0)]:
        figure = rank_diagram(ranking_of(*ranks), "made")
        assert figure.svg.count(f"stroke: {COLOURS[1]}") == bars
    assert "critical difference 1.9" in words(figure)


def gain_of(label, means, holm):
    by_data = {
        f"set {i}": GainOnData(Estimate.of({0: m}), 0.5, 0.5, 0.1, "sf-md", 1.0, True)
        for i, m in enumerate(means)
    }
    mean = sum(means) / len(means)
    return Gain(label, by_data, Pooled(mean, mean - 0.01, mean + 0.01, 0.01, 0.0), holm)


def test_gains_are_drawn_by_panel_and_coloured_beyond_chance():
    sure = [gain_of("experts", [0.02, 0.03], 0.01), gain_of("dmr", [0.001, -0.002], 0.9)]
    unsure = [gain_of("experts", [0.02, 0.03], 0.2), gain_of("dmr", [0.001, -0.002], 0.9)]
    figure = gain_diagram({"average": sure, "worst": unsure}, "sf-md", "made")
    assert words(figure).count("experts") == 1
    assert {"average", "worst"} <= set(words(figure))
    assert "points gained over sf-md trained as long" in words(figure)
    # The interval; the diamond is a marker of the same colour.
    lines = re.findall(rf'stroke: {COLOURS[1]}[^"]*"', figure.svg)
    assert any("stroke-width: 1.4" in line for line in lines)
    plain = gain_diagram({"average": unsure}, "sf-md", "made")
    assert COLOURS[1] not in plain.svg


def test_a_method_far_outside_has_an_arrow_and_does_not_squeeze_the_others():
    gains = [gain_of(f"m{i}", [0.01, 0.012, 0.009], 0.5) for i in range(12)]
    far = [*gains, gain_of("full", [-0.4, -0.5, 0.01], 0.01)]
    figure = gain_diagram({"average": far}, "sf-md", "made")
    assert "full" in words(figure)
    assert not any(word.startswith("\N{MINUS SIGN}20") for word in words(figure))
