"""Plans: which runs a study has, in which order, and what goes before what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from dmrnet.cli.study.command import with_methods
from dmrnet.settings.config import parse_run, read_config
from dmrnet.studies.plan import Plan, plan
from dmrnet.studies.resolve import resolve, share_of
from dmrnet.studies.shipped import protocol
from dmrnet.studies.spec import Change, Entry, Study
from dmrnet.studies.workers.run import folder_of

ROOT = Path(__file__).parents[2]


def labels(made: Plan) -> list[str]:
    return [job.label for job in made.jobs]


def flag(argv: tuple[str, ...], name: str) -> str:
    """The last of several, as the command line counts."""
    return [argv[at + 1] for at, word in enumerate(argv) if word == name][-1]


def test_every_one_with_every_other_seed_by_seed() -> None:
    study = Study(
        "",
        (Entry("sf-md"), Entry("dmr", grid={"method.alpha": ("0", "1")})),
        recipes=("best", "paper"),
        seeds=(4, 7),
        data={"mfeat": {}, "digits": {"data.root": "here"}},
    )
    made = plan(study)
    assert len(made.systems) == 2 * 2 * (1 + 2)
    assert len(made.jobs) == len(set(made.jobs)) == len(set(labels(made))) == 24
    assert [flag(job.argv, "--seed") for job in made.jobs] == 12 * ["4"] + 12 * ["7"]
    assert labels(made)[0] == "mfeat sf-md (best) seed 4"
    assert "digits dmr (paper) alpha=1 seed 7" in labels(made)
    assert [made.systems[owner].data for owner in made.owners[:12]] == 6 * ["mfeat"] + 6 * [
        "digits"
    ]


def test_what_is_said_later_counts() -> None:
    study = Study(
        "",
        (Entry("dmr", settings={"ema": "3"}, grid={"clip": ("4",)}),),
        data={"mfeat": {"data.val-share": "9"}},
        settings=dict.fromkeys(("lr", "warmup", "ema", "clip", "weight-decay"), "1"),
        by_data={"mfeat": Change(settings=dict.fromkeys(("warmup", "ema", "clip"), "2"))},
    )
    (job,) = replace(plan(study, ["--weight-decay", "5"])).jobs[:1]
    found = [flag(job.argv, f"--{name}") for name in ("lr", "warmup", "ema", "clip")]
    assert found == ["1", "2", "3", "4"]
    assert flag(job.argv, "--weight-decay") == "5"
    assert flag(job.argv, "--data.val-share") == "9"


def test_what_is_left_out_is_said_with_the_reason() -> None:
    study = Study(
        "",
        (
            Entry("sf-md"),
            Entry("dmr", "+DMR", leave_out={"mfeat": "of vectors"}),
            Entry("dmrnet", only=("digits",)),
            Entry("hemis"),
        ),
        by_data={"mfeat": Change(leave_out={"hemis": "not today"})},
    )
    made = plan(study)
    assert labels(made) == ["sf-md seed 0", "sf-md seed 1", "sf-md seed 2"]
    assert made.left_out == (
        "+DMR on mfeat: of vectors",
        "dmrnet on mfeat: only on digits",
        "hemis on mfeat: not today",
    )


def test_a_data_set_may_have_methods_of_its_own() -> None:
    study = Study("", (Entry("sf-md"),), by_data={"mfeat": Change(methods=(Entry("dmr"),))})
    assert {system.name for system in plan(study).systems} == {"dmr"}


CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_protocol_is_what_the_configs_have(path: Path) -> None:
    config = read_config(path)
    method, _, word = path.stem.rpartition("-")
    study = Study(
        "",
        (Entry(method),),
        recipes=(word,),
        seeds=(0,),
        data={path.parent.name: {"data.root": "prepared"}},
        protocol=True,
    )
    (job,) = plan(study).jobs
    assert parse_run(job.argv) == config


def test_without_a_protocol_nothing_changes() -> None:
    assert protocol("mfeat", "dmr", "paper") == ("paper", {})
    assert protocol("casia-surf", "dmr", "best") == ("best", {})


def test_runs_that_are_the_same_are_one(tmp_path: Path) -> None:
    entries = (Entry("dmr"), Entry("dmr", grid={"method.alpha": ("1e-3", "0.01")}))
    members = resolve(plan(Study("", entries, seeds=(0, 1))), tmp_path)
    assert [m.job.label for m in members] == [
        "dmr seed 0",
        "dmr alpha=0.01 seed 0",
        "dmr seed 1",
        "dmr alpha=0.01 seed 1",
    ]
    parts = [share_of(members, (i, 3)) for i in (1, 2, 3)]
    assert sorted(m.folder for part in parts for m in part) == sorted(m.folder for m in members)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_settings_that_cannot_be_are_said_with_their_run(tmp_path: Path) -> None:
    made = plan(Study("", (Entry("sf-md", settings={"method.alpha": "1"}),)))
    with pytest.raises(ValueError, match=r"^sf-md seed 0: unknown setting method\.alpha"):
        resolve(made, tmp_path)


def test_a_run_is_found_by_what_it_is_not_by_its_name(tmp_path: Path) -> None:
    settings = parse_run(["--data", "mfeat", "--method", "dmr", "--max-epochs", "2"])
    place = folder_of(settings, tmp_path)
    assert folder_of(parse_run(["--data", "mfeat", "--method", "dmr"]), tmp_path) != place
    # Where and how fast it is made is not what it is.
    assert (
        folder_of(
            parse_run(
                ["--data", "mfeat", "--method", "dmr", "--max-epochs", "2", "--threads", "3"]
            ),
            tmp_path,
        )
        == place
    )
    # Made by an earlier version that named it otherwise and did not know every setting.
    older = tmp_path / "mfeat-dmr-best-seed0-00000000"
    older.mkdir()
    (older / "config.yaml").write_text(
        "data: {name: mfeat}\nmethod: {name: dmr}\nrecipe: best\nmax_epochs: 2\nseed: 0\n"
    )
    assert folder_of(settings, tmp_path) == older
    # Another run under this one's name: a default that has changed since.
    place.mkdir()
    (place / "config.yaml").write_text(
        "data: {name: mfeat}\nmethod: {name: dmr, alpha: 7}\nmax_epochs: 2\n"
    )
    (older / "config.yaml").unlink()
    beside = folder_of(settings, tmp_path)
    assert beside not in (place, older)
    assert beside.name.startswith("mfeat-dmr-best-seed0-")


def test_data_named_from_here_are_the_data_named_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(root: str) -> Path:
        flags = ["--data", "digits", "--data.root", root, "--method", "dmrnet"]
        return folder_of(parse_run(flags), tmp_path / "runs")

    monkeypatch.chdir(tmp_path)
    place = at("prepared")
    assert at(str(tmp_path / "prepared")) == at("x/../prepared") == place != at("other")
    # A run's own file holds the path in full, and is found by either.
    place.mkdir(parents=True)
    flags = ["--data", "digits", "--data.root", str(tmp_path / "prepared"), "--method", "dmrnet"]
    settings = parse_run(flags)
    older = place.with_name("digits-dmrnet-best-seed0-00000000")
    place.rename(older)
    (older / "config.yaml").write_text(yaml.safe_dump(settings.to_dict()))
    assert at("prepared") == older


def test_a_version_of_a_data_set_is_trained_with_seeds_of_its_own() -> None:
    study = Study(
        "",
        (Entry("sf-md"), Entry("dmr")),
        data={"mfeat": {}, "small": {"data": "mfeat", "data.train": "0.15"}},
        seeds=(0, 1),
        by_data={"small": Change(seeds=(1, 5))},
    )
    made = plan(study)
    runs = [(made.systems[owner].data, flag(job.argv, "--seed"), flag(job.argv, "--data"))
            for job, owner in zip(made.jobs, made.owners, strict=True)]  # fmt: skip
    assert [run for run in runs if run[0] == "mfeat"] == 2 * [("mfeat", "0", "mfeat")] + 2 * [
        ("mfeat", "1", "mfeat")
    ]
    assert [run[1:] for run in runs if run[0] == "small"] == 2 * [("1", "mfeat")] + 2 * [
        ("5", "mfeat")
    ]
    settings = parse_run(next(j.argv for j in made.jobs if j.label.startswith("small")))
    assert settings.data_label == "mfeat (train=0.15)"


def test_part_of_the_methods_leaves_out_what_is_said_of_the_others() -> None:
    study = Study(
        "",
        (Entry("sf-md"), Entry("dmr", "+DMR"), Entry("hemis")),
        by_data={
            "mfeat": Change(leave_out={"hemis": "slow", "+DMR": "why"}, baseline="sf-md lr=1")
        },
        baseline="sf-md",
    )
    part = with_methods(study, ["dmr"])
    assert [entry.name for entry in part.methods] == ["+DMR"]
    assert part.by_data["mfeat"] == Change(leave_out={"+DMR": "why"})
    assert part.baseline == ""
    both = with_methods(study, ["sf-md", "hemis"])
    assert (both.baseline, both.by_data["mfeat"].baseline) == ("sf-md", "sf-md lr=1")
    assert both.by_data["mfeat"].leave_out == {"hemis": "slow"}
