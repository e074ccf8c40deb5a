"""YAML of settings: a number is what a person reads, no value is lost, any path survives."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dmrnet.cli.arguments import seed_of
from dmrnet.settings.config import dump, parse_run, read_config
from dmrnet.settings.files import dump_tree, flat, parse_tree
from dmrnet.studies.form import study_of
from dmrnet.text import shell

PATHS = st.binary(min_size=1).map(os.fsdecode)


@pytest.mark.parametrize(
    ("text", "value"),
    [("010", 10), ("-08", -8), ("0x1f", 31), ("0o17", 15), ("1_000", 1000), ("12:30", "12:30")],
)
def test_a_number_is_what_a_person_reads(text, value):
    assert parse_tree(f"a: {text}") == {"a": value}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data: {train: a, val: b, train: c}", "mine.yaml: .*train stands twice in line 1"),
        ("lr: 1\nlr: 2", "mine.yaml: .*lr stands in line 1 and in line 2"),
        ("method:\n  alpha: 1\n  'alpha': 2", "alpha stands in line 2 and in line 3"),
        ("max_epochs: 1\nmax-epochs: 2", "mine.yaml: max_epochs is set twice"),
        ("data: mfeat\ndata.name: digits", "mine.yaml: data.name is set twice"),
        ("method.alpha: 1\nmethod: {alpha: 2}", "mine.yaml: method.alpha is set twice"),
    ],
)
def test_a_key_that_stands_twice_is_refused(tmp_path, text, said):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ValueError, match=said):
        read_config(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    "tree",
    [
        {"recipe": "best", "recipes": ["paper"]},
        {"settings": {"max-epochs": 1, "max_epochs": 2}},
        {"grid": {"batch-size": [1], "--batch-size": [2]}},
    ],
)
def test_so_it_is_in_a_study(tree):
    with pytest.raises(ValueError, match="twice; leave one"):
        study_of({"methods": ["dmr"], "data": "mfeat"} | tree)


def test_merged_keys_may_be_overridden():
    text = "base: &base {a: 1, b: 2}\nmine:\n  <<: *base\n  b: 3\n"
    assert parse_tree(text)["mine"] == {"a": 1, "b": 3}


ALMOST_NUMBERS = st.text("-+.01789eExo_:naif", min_size=1, max_size=6)


@example({"radar": "1e3", ".5e3": "0o17"})
@given(
    st.dictionaries(
        ALMOST_NUMBERS | st.text(min_size=1),
        ALMOST_NUMBERS | PATHS | st.text() | st.integers() | st.floats(allow_nan=False) | st.none(),
    )
)
def test_every_text_survives(tree):
    try:
        written = dump_tree(tree)
    except UnicodeEncodeError:  # half a character that no file name holds
        assert any(not is_a_path(text) for pair in tree.items() for text in pair)
        return
    assert parse_tree(written.encode().decode()) == tree


def is_a_path(value: object) -> bool:
    try:
        return not isinstance(value, str) or os.fsdecode(os.fsencode(value)) == value
    except UnicodeEncodeError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know no such names")
def test_a_run_of_files_whose_names_are_no_unicode(tmp_path):
    path = tmp_path / os.fsdecode(b"r\xe9.npz")
    np.savez(path, a=np.ones((20, 2)), y=np.arange(20) % 2)
    settings = parse_run(["--data", "arrays", "--data.train", str(path), "--method", "sf-md"])
    assert len(settings.data.load(0).train) == 16
    (tmp_path / "config.yaml").write_text(dump(settings), encoding="utf-8")
    assert read_config(tmp_path / "config.yaml") == settings
    settings.data_label.encode()
    assert replace(settings, seed=1) != settings


@given(st.lists(PATHS | st.text(alphabet=st.characters(exclude_categories=["Cs"])), min_size=1))
def test_commands_are_quoted(words):
    shown = shell(*words)
    shown.encode()
    if "$'" not in shown:
        assert shlex.split(shown) == words


def test_flat_keeps_every_value():
    with pytest.raises(ValueError, match=r"a\.b is set twice"):
        flat({"a.b": 1, "a": {"b": 2}})


@pytest.mark.parametrize("seed", ["-1", str(2**63), str(2**70), "9" * 5000])
def test_a_seed_is_one_that_torch_takes(seed, tmp_path):
    with pytest.raises(ValueError, match="seed"):
        parse_run(["--seed", seed])
    with pytest.raises(ValueError, match="seed"):
        study_of({"methods": ["dmr"], "data": "mfeat", "seeds": [int(seed[:30])]})
    with pytest.raises(argparse.ArgumentTypeError, match="expected a"):
        seed_of(seed)
    assert parse_run(["--seed", str(2**63 - 1)]).seed == seed_of(str(2**63 - 1))


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--model", "method NAME (--method)"),
        ("--missing-rate", "did you mean '--rates'"),
        ("--device", "accelerator cpu or gpu (--accelerator)"),
        ("--test", "--data.test FILE"),
        ("--save-dir", "the folder of a run is out (--out)"),
        ("--resume-from", "the same settings go on"),
        ("--deterministic", "follows from seed (--seed)"),
    ],
)
def test_flags_of_other_tools_are_answered(flag, said):
    with pytest.raises(ValueError, match=f"unknown setting {flag}; ") as raised:
        parse_run([flag, "1"])
    assert said in str(raised.value)
