"""Settings that differ make different systems; equal ones, however written, make one."""

from __future__ import annotations

import pytest

from dmrnet.report.records.systems import find_baseline, shared_settings, system


@pytest.mark.parametrize(
    ("recipe", "settings", "label"),
    [
        ("best", {}, "dmr"),
        ("paper", {}, "dmr (paper)"),
        ("best", {"alpha": 0.01}, "dmr alpha=0.01"),
        ("best", {"method.alpha": 0.01}, "dmr alpha=0.01"),
        (
            "paper",
            {"z": None, "head": {"layers": [1, 2.0]}},
            "dmr (paper) head.layers=[1,2] z=none",
        ),
        ("best", {"compile": True}, "dmr compile=true"),
    ],
)
def test_labels(recipe, settings, label):
    assert system("dmr", recipe, settings).label() == label


def test_equal_settings_are_one_system():
    assert system("dmr", "best", {"a": 1, "b": 2}) == system("dmr", "best", {"b": 2.0, "a": 1.0})
    assert system("dmr", "best", {"a": 1}) != system("dmr", "best", {"a": 1.5})
    assert system("dmr", "best", {"a": True}) != system("dmr", "best", {"a": 1})
    assert system("dmr", "best", {}) != system("dmr", "paper", {})


def test_what_all_have_is_not_in_the_labels():
    systems = [
        system("dmr", "best", {"epochs": 5, "alpha": 0.1}),
        system("sf-md", "best", {"epochs": 5}),
    ]
    shared = shared_settings(systems)
    assert [item.label(shared) for item in systems] == ["dmr alpha=0.1", "sf-md"]
    assert shared_settings(systems[:1]) == frozenset()


def test_the_baseline_by_method_or_label():
    plain, paper, longer = (
        system("sf-md", "best", {}),
        system("sf-md", "paper", {}),
        system("sf-md", "best", {"epochs": 60}),
    )
    other = system("dmr", "best", {})
    assert find_baseline([other, longer, paper, plain], "sf-md") == plain
    assert find_baseline([other, longer, plain], "sf-md epochs=60") == longer
    assert find_baseline([other, paper], "sf-md") == paper
    assert find_baseline([other], "sf-md") is None
    assert find_baseline([other, paper, longer], "sf-md") == paper
    shorter = system("sf-md", "best", {"epochs": 10})
    with pytest.raises(ValueError, match="could be 'sf-md epochs=10', 'sf-md epochs=60'"):
        find_baseline([other, shorter, longer], "sf-md")
