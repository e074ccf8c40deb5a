"""The study that says what wins: its plan is fair, complete, and fits in the time it says."""

from __future__ import annotations

import pytest

from dmrnet.cli.study.data import with_data
from dmrnet.methods import METHODS
from dmrnet.settings.config import parse_run
from dmrnet.studies.cost import cpu_seconds
from dmrnet.studies.form import read_study
from dmrnet.studies.plan import Plan, plan
from dmrnet.studies.search.spaces import space_of, tries
from dmrnet.studies.shipped import shipped
from dmrnet.studies.spec import Study

HOURS = 9
"""About seven and a half, and room for methods that join."""


@pytest.fixture(scope="module")
def study() -> Study:
    return with_data(read_study(shipped()["winner"]), None, "nowhere", [])[0]


@pytest.fixture(scope="module")
def planned(study: Study) -> Plan:
    return plan(study)


def test_every_method_is_compared_and_the_baseline_is_trained_longer(study: Study) -> None:
    assert {entry.method for entry in study.methods} == set(METHODS)
    lengths = [entry.grid["stretch"] for entry in study.methods if entry.grid]
    assert lengths == [("1.5", "2", "3", "4")]
    assert study.baseline == "sf-md"


def test_all_systems_are_searched_alike_on_seeds_of_their_own(study: Study, planned: Plan) -> None:
    search = study.search
    assert search is not None
    spaces = [space_of(system.method, search, [*dict(system.values)]) for system in planned.systems]
    assert {(*space, tries(space, search)) for space in spaces} == {("lr", 3)}
    assert not {seed for system in planned.systems for seed in system.seeds} & set(search.seeds)


def test_the_cost_of_every_set_is_known_and_all_fit_in_the_time(
    study: Study, planned: Plan
) -> None:
    seconds = cpu_seconds(study, planned)
    assert seconds.keys() == study.data.keys() == study.by_data.keys()
    assert sum(seconds.values()) < HOURS * 3600
    assert study.costs.keys() <= METHODS.keys()


def test_every_run_can_be_read_and_no_two_are_the_same(planned: Plan) -> None:
    # Systems, since runs differ only in their seed.
    settings = [parse_run((*system.argv, "--seed", "0")) for system in planned.systems]
    assert len(set(map(repr, settings))) == len(settings)
    assert {one.method.network.width for one in settings} == {64}


def test_the_number_of_sets_and_seeds(study: Study, planned: Plan) -> None:
    assert len({study.dataset(name) for name in study.data}) >= 8
    ours = {"sf-md", "experts", "unimodal", "dmrnet", "dmr", "dgl"}
    assert {len(system.seeds) for system in planned.systems if system.method in ours} == {10}
    assert {len(system.seeds) for system in planned.systems} == {3, 5, 10}
    assert study.title == "What wins"
