"""Estimated CPU time of a study, against a loop over its runs."""

from __future__ import annotations

import pytest

from dmrnet.studies.cost import cpu_seconds
from dmrnet.studies.plan import plan
from dmrnet.studies.spec import Change, Entry, Range, Search, Study

STUDY = Study(
    "",
    (Entry("sf-md"), Entry("sf-md", grid={"stretch": ("1.5", "3")}), Entry("dmr")),
    data={"mfeat": {}, "small": {"data": "mfeat", "data.train": "0.15"}, "digits": {}},
    seeds=(0, 1, 2),
    by_data={"mfeat": Change(seconds=10.0), "small": Change(seconds=2.0, seeds=(0, 1))},
    costs={"dmr": 1.25},
)


def slow(seconds: float, seeds: int, trials: dict[str, int]) -> float:
    """The sum over runs, of which a search has `trials` of each method."""
    total = 0.0
    for method, multiple in [("sf-md", 1.0), ("sf-md", 1.5), ("sf-md", 3.0), ("dmr", 1.25)]:
        for _ in range(seeds + trials.get(method, 0)):
            total += seconds * multiple
    return total


def test_it_is_the_sum_over_the_runs_where_seconds_are_known() -> None:
    expected = {"mfeat": slow(10.0, 3, {}), "small": slow(2.0, 2, {})}
    assert cpu_seconds(STUDY, plan(STUDY)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("search", "fixed", "trials"),
    [
        (Search(3, (8, 9), {"lr": ("1", "2", "3", "4")}, own=False), (), {"sf-md": 6, "dmr": 6}),
        # The method's own settings are searched, too; a range has as many trials as allowed.
        (Search(2, (9,), {"lr": ("1",)}), (), {"sf-md": 1, "dmr": 2}),
        (Search(5, (9,), {"lr": Range(1, 2)}, own=False), (), {"sf-md": 5, "dmr": 5}),
        (Search(5, (9,), {"lr": Range(1, 2)}, own=False), ("lr",), {"sf-md": 1, "dmr": 1}),
    ],
)
def test_a_search_counts(search: Search, fixed: tuple[str, ...], trials: dict[str, int]) -> None:
    study = Study("", STUDY.methods, data={"mfeat": {}}, by_data=STUDY.by_data, search=search,
                  costs=STUDY.costs)  # fmt: skip
    expected = {"mfeat": slow(10.0, 3, trials)}
    assert cpu_seconds(study, plan(study), fixed) == pytest.approx(expected)
