"""Analyses are read by system and seed, on the reported split where there are any."""

from __future__ import annotations

import pytest
from tests.report.analysed import analyse, summary_of, two_systems

from dmrnet.report.records.rows import RowError
from dmrnet.report.summary.analyses import read_analyses


@pytest.fixture
def runs(make_run):
    return two_systems(make_run)


def by_kind(runs, split="test"):
    return {one.kind: one for one in read_analyses(summary_of(runs, split))}


def test_numbers_are_read_by_system_and_seed(runs):
    analyses = by_kind(runs)
    assert list(analyses) == ["channel-distance", "angles", "variance", "hard-set"]
    distance = analyses["channel-distance"].get("dmr", "cosine", "b")
    assert distance.by_seed == {0: pytest.approx(0.55), 1: pytest.approx(0.56)}
    assert analyses["hard-set"].get("dmr", "mined") is None
    assert sorted(analyses["channel-distance"].arrays) == ["dmr", "sf-md"]


def test_the_reported_split_is_preferred(runs):
    analyse(runs[0], "sf-md", 0, shift=0.3, split="test")
    distance = by_kind(runs)["channel-distance"]
    assert distance.split == "test"
    assert distance.get("sf-md", "cosine", "a").by_seed == {0: pytest.approx(0.7)}
    assert distance.get("dmr", "cosine", "a") is None
    assert by_kind(runs, "val")["angles"].split == "val"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("analyses.jsonl", '{"analysis": "angles"}\n', r"analyses\.jsonl:1: expected the keys"),
        ("analyses.jsonl", "{}\n", r"analyses\.jsonl:1: expected 'analysis' to be printable"),
        ("analyses.npz", "half a file", r"analyses\.npz: expected the arrays of analyses"),
    ],
)
def test_a_damaged_file_is_named(runs, name, content, message):
    (runs[1] / name).write_text(content)
    with pytest.raises(RowError, match=message):
        read_analyses(summary_of(runs))
