"""A run with damaged files is found before the report is made, and the message names the place."""

from __future__ import annotations

import pytest
from tests.report.analysed import NAMES, analyse

from dmrnet.report.build import find_damage


@pytest.fixture
def run(make_run):
    made = make_run("dmr", modalities=NAMES)
    analyse(made, "dmr", 0)
    return made


def test_an_undamaged_run(run):
    assert find_damage(run, "test") is None
    assert find_damage(run, "val") is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("results.jsonl", '{"run": "half', "results.jsonl:1: expected a JSON object"),
        ("analyses.jsonl", '{"analysis": "angles"}\n', "analyses.jsonl:1: expected the keys"),
        ("analyses.npz", "half a file", "analyses.npz: expected the arrays of analyses"),
        ("predictions.npz", "half a file", "predictions.npz: expected predictions"),
        ("variance.jsonl", "[]\n", "variance.jsonl:1: expected a JSON object"),
        ("pictures.npz", "half a file", "pictures.npz: expected label maps"),
    ],
)
def test_damage_is_reported_with_its_place(run, name, content, message):
    (run / name).write_text(content)
    assert message in find_damage(run, "test")
