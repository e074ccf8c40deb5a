"""A run whose files a report could not be made of is known before, with the place."""

from __future__ import annotations

import pytest
from tests.report.analysed import NAMES, analyse

from dmrnet.report.records.damage import damage_of


@pytest.fixture
def run(make_run):
    made = make_run("dmr", modalities=NAMES)
    analyse(made, "dmr", 0)
    return made


def test_a_whole_run_has_none(run):
    assert damage_of(run, "test") is None
    assert damage_of(run, "val") is None


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("results.jsonl", '{"run": "half', "results.jsonl:1: expected one JSON object"),
        ("analyses.jsonl", '{"analysis": "angles"}\n', "analyses.jsonl:1: expected the keys"),
        ("analyses.npz", "half a file", "analyses.npz: expected the arrays of analyses"),
        ("predictions.npz", "half a file", "predictions.npz: expected predictions"),
        ("variance.jsonl", "[]\n", "variance.jsonl:1: expected a JSON object"),
        ("pictures.npz", "half a file", "pictures.npz: expected label maps"),
    ],
)
def test_what_is_damaged_is_told_with_its_place(run, name, content, told):
    (run / name).write_text(content)
    assert told in damage_of(run, "test")
