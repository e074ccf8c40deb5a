"""Two processes with half of the rows each train like one process with all of them."""

from __future__ import annotations

import pytest
import torch
from tests.contracts import two_processes
from tests.forked import group

pytestmark = pytest.mark.ddp


NAMES = [
    name if name in two_processes.cases() else pytest.param(name, marks=pytest.mark.slow)
    for name in two_processes.cases(slow=True)
]


@pytest.fixture(scope="module")
def both(request, tmp_path_factory):
    """Return what one process made of every method, and what each of two made of it."""
    meet = tmp_path_factory.mktemp("two") / "meet"
    mine = (item for item in request.session.items if item.path == request.path)
    slow = any(item.get_closest_marker("slow") for item in mine)
    alone = two_processes.run(0, 1, slow)
    return alone, group("tests.contracts.two_processes:run", slow, meet=meet)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_one_process(both, name: str) -> None:
    alone, ranks = both
    for rank in ranks:
        steps = zip(alone[name]["gradients"], rank[name]["gradients"], strict=True)
        for one, two in steps:
            for expected, got in zip(one, two, strict=True):
                torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)
    assert any(g.any() for g in alone[name]["gradients"][0])


@pytest.mark.parametrize("name", NAMES)
def test_statistics_and_hard_sets_are_those_of_one_process(both, name: str) -> None:
    alone, ranks = both
    for rank in ranks:
        for one, two in zip(alone[name]["epochs"], rank[name]["epochs"], strict=True):
            assert torch.equal(two["counts"], one["counts"])
            assert one["counts"].sum() == two_processes.ROWS * two_processes.STEPS
            assert torch.equal(two["hard"], one["hard"])
            for key in ("loss", "variance"):
                torch.testing.assert_close(two[key], one[key], atol=1e-5, rtol=1e-5, equal_nan=True)


@pytest.mark.parametrize("name", ["dmrnet", "dmrnet-variance", "esanet"])
def test_something_is_mined(both, name: str) -> None:
    assert both[0][name]["epochs"][-1]["hard"].any()


@pytest.mark.parametrize("name", NAMES)
def test_state_is_the_same_on_both(both, name: str) -> None:
    alone, ranks = both
    for key, value in ranks[0][name]["state"].items():
        assert torch.equal(value, ranks[1][name]["state"][key]), key
        torch.testing.assert_close(value, alone[name]["state"][key], atol=1e-5, rtol=1e-4)
