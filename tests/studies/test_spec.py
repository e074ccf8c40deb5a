"""Study files: what they mean, and what is said of what they cannot mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmrnet.methods import METHODS
from dmrnet.studies.form import read_study
from dmrnet.studies.plan import plan
from dmrnet.studies.shipped import find_study, first_line, shipped
from dmrnet.studies.spec import Change, Entry, as_flag

WHOLE = """
title: Mine
about: What it is for.
methods:
  - sf-md
  - {method: dmr, label: +DMR, recipe: paper, grid: {method.alpha: [0, 1e-3]}}
  - {method: dmrnet, settings: {method: {hard_fixed: [rgb, ir]}}, only: [mfeat]}
recipes: [best, paper]
data: {mfeat: {views: [fou, pix]}, digits: {root: prepared}}
seeds: [3, 5, 3]
settings: {max-epochs: 2, sync_batch_norm: true}
grid: {lr: [0.1, 0.2]}
baseline: sf-md
by-data:
  digits: {settings: {ema: 0}, leave-out: {+DMR: too slow}}
analyses: distance
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_every_key_is_read(tmp_path: Path) -> None:
    study = read_study(written(tmp_path, WHOLE))
    assert study.methods == (
        Entry("sf-md"),
        Entry("dmr", "+DMR", ("paper",), {}, {"method.alpha": ("0", "0.001")}),
        Entry("dmrnet", settings={"method.hard-fixed": "[rgb,ir]"}, only=("mfeat",)),
    )
    assert (study.title, study.about) == ("Mine", "What it is for.")
    assert study.recipes == ("best", "paper")
    assert study.data == {
        "mfeat": {"data.views": "[fou,pix]"},
        "digits": {"data.root": "prepared"},
    }
    assert study.seeds == (3, 5)
    assert study.settings == {"max-epochs": "2", "sync-batch-norm": "true"}
    assert study.grid == {"lr": ("0.1", "0.2")}
    assert study.by_data == {
        "digits": Change(settings={"ema": "0"}, leave_out={"+DMR": "too slow"})
    }
    assert study.analyses == ("distance",)


def test_little_is_enough(tmp_path: Path) -> None:
    study = read_study(written(tmp_path, "methods: [sf-md]"))
    assert (study.title, study.seeds, list(study.data)) == ("mine", (0, 1, 2), ["mfeat"])


def test_others_are_all_methods_that_no_entry_names(tmp_path: Path) -> None:
    text = "methods: [sf-md, {method: others, recipes: paper}, {method: sf-md, label: b}, dmr]"
    study = read_study(written(tmp_path, text))
    names = [entry.method for entry in study.methods]
    rest = [name for name in METHODS if name not in ("sf-md", "dmr")]
    assert names == ["sf-md", *rest, "sf-md", "dmr"]
    assert {entry.recipes for entry in study.methods[1:-2]} == {("paper",)}


def test_versions_of_a_data_set_have_names_of_their_own(tmp_path: Path) -> None:
    text = """
methods: [sf-md, {method: dmr, only: [small]}, {method: lcr, seeds: [4, 5]}]
data: {mfeat: {}, small: {name: mfeat, train: 300}}
seeds: 3
by-data: {small: {seeds: [7], seconds: 1.5}}
costs: {dmr: 2}
"""
    study = read_study(written(tmp_path, text))
    assert study.data == {"mfeat": {}, "small": {"data": "mfeat", "data.train": "300"}}
    seeds = {(one.data, one.method): one.seeds for one in plan(study).systems}
    assert seeds == {
        ("mfeat", "sf-md"): (0, 1, 2),
        ("mfeat", "lcr"): (4, 5),
        ("small", "sf-md"): (7,),
        ("small", "dmr"): (7,),
        ("small", "lcr"): (4, 5),
    }
    assert [study.dataset(name) for name in study.data] == ["mfeat", "mfeat"]
    assert study.by_data["small"].seconds == 1.5
    assert study.costs == {"dmr": 2.0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("methods: [sf-md]\nseds: 3", "unknown key 'seds'; did you mean 'seeds'?"),
        ("methods: [sf_md]", "unknown method 'sf_md'; did you mean 'sf-md'?"),
        ("methods: [{method: dmr, settingz: {}}]", "did you mean 'settings'?"),
        ("methods: [{label: x}]", "methods: expected method, got {'label': 'x'}"),
        ("seeds: 3", "expected methods"),
        ("methods: [dmr]\nseeds: 0", "seeds: expected a number of seeds or a list of them, got 0"),
        ("methods: [dmr]\nseeds: true", "got True"),
        ("methods: [dmr]\nseeds: [1, x]", "got [1, 'x']"),
        ("methods: [dmr]\ndata: mfeet", "did you mean 'mfeat'?"),
        ("methods: [dmr]\nby_data: {digit: {}}", "did you mean 'digits'?"),
        ("methods: [dmr]\nby_data: {digits: {setting: {}}}", "did you mean 'settings'?"),
        ("methods: [dmr]\ngrid: {lr: 0.1}", "grid: lr: expected a list of values, got 0.1"),
        ("methods: [dmr]\nsettings: {seed: 1}", "seed cannot be set here; use seeds, recipes"),
        ("methods: [dmr]\nsettings: [1]", "expected `setting: value` lines"),
        ("methods: [dmr]\nrecipes: []", "recipes: expected at least one name"),
        ("methods: [dmr]\nprotocol: paper", "expected true or false"),
        ("methods: [{method: others, label: x}]", "expected no label for others, got 'x'"),
        ("methods: [{method: dmr, only: [digit]}]", "only: unknown data set 'digit'; did you mean"),
        ("methods: [dmr]\ndata: {small: {train: 9}}", "data: small: unknown data set 'small'"),
        ("methods: [dmr]\ndata: {small: {name: mfeet}}", "did you mean 'mfeat'?"),
        ("methods: [dmr]\ncosts: {dmr: x}", "costs: dmr: expected a number"),
        ("methods: [dmr]\nleave-out: {}", "unknown key 'leave-out'"),
        ("- dmr", "expected `name: value` lines"),
        ("methods: [", "expected YAML"),
    ],
)
def test_what_is_wrong_is_said_with_the_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"mine\.yaml") as error:
        read_study(written(tmp_path, text))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_study_is_found_by_name_or_path(tmp_path: Path) -> None:
    path = written(tmp_path, "methods: [dmr]")
    assert find_study(str(path)) == path
    assert find_study("methods") == shipped()["methods"]
    with pytest.raises(FileNotFoundError, match="did you mean 'methods'"):
        find_study("method")
    with pytest.raises(FileNotFoundError, match=r"there is no study file other\.yaml"):
        find_study("other.yaml")


@pytest.mark.parametrize("path", shipped().values(), ids=lambda path: path.stem)
def test_every_shipped_study_says_what_it_is(path: Path) -> None:
    study = read_study(path)
    assert 10 < len(first_line(path)) < 90
    assert study.title
    assert study.about


def test_the_study_of_every_method_has_every_method() -> None:
    study = read_study(shipped()["methods"])
    assert {entry.method for entry in study.methods} == set(METHODS)


def test_values_are_written_as_flags() -> None:
    assert [as_flag(value) for value in (1e-3, "x", [1, True])] == ["0.001", "x", "[1,true]"]
