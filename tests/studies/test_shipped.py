"""Every shipped study, on made data in the layout of the paper's, and on the embedded digits.

Runs are kept over the tests of one process, as one ``--out`` would keep them: what two studies have
in common is made once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from tests.data.made.prepared import MORE, prepared
from tests.studies.here import run_here

from dmrnet.cli import main
from dmrnet.cli.study.command import with_recipes
from dmrnet.data.loader import TrainLoader
from dmrnet.methods.mmformer import MMFormerSettings
from dmrnet.studies.form import read_study
from dmrnet.studies.plan import plan
from dmrnet.studies.printed import find_printed, for_report, printed_tables, read_printed
from dmrnet.studies.resolve import resolve
from dmrnet.studies.shipped import shipped

STUDIES = shipped()
TINY = [
    *("--seeds", "1", "--max-epochs", "1", "--batch-size", "2", "--num-workers", "0"),
    *("--method.network.stem", "16", "--accelerator", "cpu", "--select-budget", "14"),
]
SMALLER = {
    # The paper's ESANet has twice as many blocks, which takes twice as long to build and to write.
    "nyuv2": ["--method.network.layout", "r18-nbt1d"],
}
FEW = {"crema-d": ("ogm-md", "dmrnet")}
"""A baseline and a system that the paper prints; every setting of the others is parsed below."""

OURS = {"table2": "crema-d", "table5": "nyuv2"} | dict.fromkeys(("brats2018", "brats2020"), "brats")
"""Which of the paper's data a study is about; CASIA-SURF the others."""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studies")


@pytest.fixture
def two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train for two steps in this process, with small tokens where a recipe has large ones."""
    for recipe in MMFormerSettings.recipes.values():
        if "embed" in recipe:
            monkeypatch.setitem(recipe, "embed", 16)
    every = TrainLoader.__iter__
    monkeypatch.setattr(TrainLoader, "__iter__", lambda self: islice(every(self), 2))
    monkeypatch.setattr(TrainLoader, "__len__", lambda self: 2)
    monkeypatch.setattr("dmrnet.studies.run_jobs", run_here)


Study = Callable[..., str]


@pytest.fixture
def study(out: Path, two_steps: None, capsys: pytest.CaptureFixture[str]) -> Study:
    def call(name: str, data: str, *more: str) -> str:
        argv = ["study", name, "--data", data, "--out", str(out / data), *more]
        code = main(argv)
        said = capsys.readouterr()
        assert code == 0, said.out + said.err
        return said.out

    return call


NAMES = [
    name
    for name in STUDIES
    # Of every method, of other libraries; and of versions of a data set, tested below.
    if name not in ("methods", "winner", "peers", "brats2018", "brats2020")
]


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_on_the_papers_data_and_shows_what_was_printed(study: Study, name: str) -> None:
    pytest.importorskip("av", reason="video files need the extra audio-video")
    data = OURS.get(name, "casia-surf")
    more = [*TINY, *MORE.get(data, []), *SMALLER.get(data, [])]
    few = ["--methods", *FEW[data]] if data in FEW else []
    said = study(name, data, "--root", prepared(data), *more, *few)
    spec = read_study(STUDIES[name])
    assert spec.title in said
    if spec.protocol:
        assert "(paper)" in said
    for source in spec.printed:
        number = source[-1]
        assert f"next to Wei et al., ECCV 2024, Table {number}" in said
        assert "as printed" in said
        # By combination, every printed number stands there.
        for row in read_printed(printed_tables()[source]):
            made = row.dataset == data and row.method in FEW.get(data, (row.method,))
            if made and row.metric != "variance":
                assert f"{100 * row.value:.2f}" in said


@pytest.mark.usefixtures("no_pictures", "two_steps")
def test_brats_shows_printed_averages_of_regions(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = ["--seeds", "1", "--max-epochs", "1", "--num-workers", "0", "--accelerator", "cpu"]
    tiny += ["--method.network.width", "4", "--data.patch", "16", "--data.val-share", "0.3"]
    tiny += ["--data.test-share", "0.34", "--methods", "rfnet"]
    argv = ["study", "brats2020", "--root", prepared("brats"), "--out", str(out / "brats"), *tiny]
    assert main(argv) == 0
    said = capsys.readouterr().out
    assert "BraTS 2020: brain tumours from any of four MR scans" in said
    for words in ("86.98", "78.23", "61.47", "86.98 printed", "WT, as printed", "ET, measured"):
        assert words in said
    assert "runs failed" not in said
    written = (out / "brats" / "report" / "printed.md").read_text()
    assert "86.98 printed" in written


@pytest.mark.parametrize("name", ["brats2018", "brats2020"])
def test_the_averages_of_brats_are_those_of_the_readmes(name: str) -> None:
    printed = {
        "brats2018": {
            "hemis": (78.60, 59.70, 48.10),
            "rfnet": (85.67, 76.53, 57.12),
            "mmformer": (86.38, 75.82, 59.12),
        },
        "brats2020": {
            "hemis": (75.10, 65.45, 47.73),
            "rfnet": (86.98, 78.23, 61.47),
            "mmformer": (86.49, 76.06, 63.19),
        },
    }
    found: dict[str, dict[str, float]] = {}
    for row in read_printed(printed_tables()[name]):
        assert (row.dataset, row.split, row.combination) == ("brats", "test", "")
        found.setdefault(row.method, {})[row.metric] = 100 * row.value
    expected = {
        method: dict(zip(("dice/WT", "dice/TC", "dice/ET"), values, strict=True))
        for method, values in printed[name].items()
    }
    assert found.keys() == expected.keys()
    for method, values in expected.items():
        assert found[method] == pytest.approx(values)


@pytest.mark.usefixtures("no_pictures")
def test_what_cannot_be_had_is_left_out_with_the_reason(study: Study) -> None:
    few = ["--recipes", "best", "--methods", "pe", "dmr"]
    said = study("table4", "nyuv2", "--root", prepared("nyuv2"), *TINY, *few)
    assert "left out: pe: expected distribution as map" in said
    assert "runs failed" not in said
    assert "dmr" in said


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.slow
@pytest.mark.parametrize("name", ["table3", "table6"])
def test_it_runs_on_other_data(study: Study, name: str, out: Path) -> None:
    said = study(name, "mfeat", *TINY, "--data.train-missing", "0.1")
    spec = read_study(STUDIES[name])
    assert "mfeat" in said
    if spec.printed:
        assert "casia-surf, ACER" in said
        written = (out / "mfeat" / "report" / "printed.md").read_text()
        assert "as printed" in written
    analysed = list((out / "mfeat").rglob("analyses.jsonl"))
    assert bool(analysed) == bool(spec.analyses) or name == "table3"


@pytest.mark.parametrize("recipes", ["best", "paper", "released"])
def test_every_setting_of_every_study_is_understood(recipes: str) -> None:
    names = ("casia-surf", "crema-d", "kinetics-sounds", "nyuv2")
    roots = {name: {"data.root": "there"} for name in names}
    for path in STUDIES.values():
        data = (
            roots
            if recipes == "released"
            else {"mfeat": {}, OURS.get(path.stem, names[0]): roots[names[0]]}
        )
        if path.stem.startswith("brats"):
            data = {key: {**of, "data.root": "x"} for key, of in read_study(path).data.items()}
        spec = replace(read_study(path), data=data, seeds=(0,))
        if not spec.protocol and recipes != "best":
            continue
        assert resolve(plan(with_recipes(spec, (recipes,))), Path("nowhere"))


# ---- the printed tables --------------------------------------------------------------------

MEANS = {
    # Averages that the printed combinations do not have, recomputed: table, data, method.
    ("table1", "casia-surf", "hemis"): 7.20,
    ("table1", "casia-surf", "mmformer"): 5.79,
    ("table1", "casia-surf", "shaspec"): 5.74,
    ("table1", "casia-surf", "dmrnet"): 3.56,
    ("table2", "crema-d", "ogm-md"): 54.61,
    ("table2", "crema-d", "mmanet"): 58.02,
    ("table2", "crema-d", "dmrnet"): 61.36,
    ("table3", "casia-surf", "dmrnet"): 3.56,
    ("table4", "casia-surf", "pe"): 6.80,
    ("table4", "casia-surf", "dmr"): 4.63,
    ("table2", "kinetics-sounds", "ogm-md"): 50.75,
    ("table2", "kinetics-sounds", "mmanet"): 51.94,
}


@pytest.mark.parametrize("name", ["table1", "table2", "table3", "table4", "table5"])
def test_printed_averages_are_those_of_the_combinations_but_for_known_slips(name: str) -> None:
    systems: dict[tuple[str, str], dict[str, float]] = {}
    for row in read_printed(printed_tables()[name]):
        systems.setdefault((row.dataset, row.method), {})[row.combination] = 100 * row.value
    for (dataset, method), values in systems.items():
        average = values.pop("")
        assert len(values) == (7 if dataset == "casia-surf" else 3)
        mean = sum(values.values()) / len(values)
        expected = MEANS.get((name, dataset, method), average)
        assert mean == pytest.approx(expected, abs=0.0101), (dataset, method)


def test_printed_rows_take_the_name_that_the_data_have_in_the_report() -> None:
    path = find_printed("table2")
    text = for_report([path], ["crema-d (spectrogram=released)", "mfeat"])
    datasets = {json.loads(line)["dataset"] for line in text.splitlines()}
    assert datasets == {"crema-d (spectrogram=released)", "kinetics-sounds"}


def test_a_table_that_is_not_there_is_said() -> None:
    with pytest.raises(FileNotFoundError, match="did you mean 'table1'"):
        find_printed("tabel1")
