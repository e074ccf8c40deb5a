"""Analyses of a finished run: rows and arrays, made once, against slow ways to the same numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.engine.runs import COMBINATIONS, settings_in

from dmrnet.engine.analysis import analyse as module
from dmrnet.engine.analysis import samples as analysis_samples
from dmrnet.engine.analysis.analyse import analyse_run
from dmrnet.engine.evaluate import evaluate_run
from dmrnet.engine.fit import fit_run
from dmrnet.engine.run import folder as folder_module
from dmrnet.engine.run.finished import open_run
from dmrnet.engine.run.folder import RunFolder
from dmrnet.evaluation import channel_distance

MAPS = "channel-distance@wave+face"
ALL = [MAPS, "angles", "variance", "hard-set"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of three runs."""
    folder = tmp_path_factory.mktemp("analysed")
    for method in ("dmrnet", "sf-md", "unimodal"):
        fit_run(settings_in(folder, method=method, epochs=2), folder / method)
    return folder


def copied(run: Path, tmp_path: Path) -> Path:
    """Return a copy of a run, without the analyses that other tests made of it."""
    folder = RunFolder(Path(shutil.copytree(run, tmp_path / "run")))
    for path in (folder.analyses, folder.analysis_arrays):
        path.unlink(missing_ok=True)
    return folder.path


def test_rows_have_the_schema_and_are_made_once(made: Path, tmp_path: Path) -> None:
    run = copied(made / "dmrnet", tmp_path)
    rows = analyse_run(run, ALL)
    folder = RunFolder(run)
    assert folder.analysis_rows() == rows
    first = folder.rows()[0]
    assert all(set(row) == {*first, "analysis"} for row in rows)
    assert {row["analysis"] for row in rows} == set(ALL)
    assert all(row["split"] == "val" for row in rows)
    before = {path: path.stat().st_mtime_ns for path in folder.path.iterdir()}
    assert analyse_run(run, ALL) == rows
    assert {path: path.stat().st_mtime_ns for path in folder.path.iterdir()} == before
    assert analyse_run(run, ["angles"], again=True) == [
        row for row in rows if row["analysis"] == "angles"
    ]
    assert len(folder.analysis_rows()) == len(rows)


def test_rows_of_an_older_version_are_made_again(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(made / "sf-md")
    rows = analyse_run(folder.path, [MAPS])
    before = folder.analyses.stat().st_mtime_ns
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    assert analyse_run(folder.path, [MAPS]) == rows
    assert folder.analyses.stat().st_mtime_ns > before


def test_existing_rows_are_read_without_the_method(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = analyse_run(made / "dmrnet", ALL)

    def opened(*_: object) -> None:
        raise AssertionError("the run was opened")

    monkeypatch.setattr(module, "open_run", opened)
    assert analyse_run(made / "dmrnet", ALL) == rows


def test_a_run_that_has_not_finished_is_refused(made: Path, tmp_path: Path) -> None:
    run = copied(made / "sf-md", tmp_path)
    RunFolder(run).write_facts(finished=False)
    with pytest.raises(ValueError, match="has not finished"):
        analyse_run(run, ["hard-set"])


def test_agreement_follows_new_scores(made: Path, tmp_path: Path) -> None:
    run = copied(made / "dmrnet", tmp_path)
    first = {r["metric"]: r["value"] for r in analyse_run(run, ["hard-set"])}
    folder = RunFolder(run)
    rows = folder.rows()
    order = [r["value"] for r in rows if r["metric"] == "accuracy"]
    for row in rows:
        if row["metric"] == "accuracy":
            row["value"] = 1 - order.pop(0)
    folder.put_rows("val", rows)
    second = {r["metric"]: r["value"] for r in analyse_run(run, ["hard-set"])}
    assert second["loss_rank"] == pytest.approx(-first["loss_rank"])
    assert len(folder.analysis_rows()) == len({json.dumps(x) for x in folder.analysis_rows()})


def test_another_split_leaves_the_first_unchanged(made: Path, tmp_path: Path) -> None:
    run = copied(made / "sf-md", tmp_path)
    before = analyse_run(run, [MAPS, "angles"])
    after = analyse_run(run, [MAPS], "test")
    folder = RunFolder(run)
    assert sorted(map(json.dumps, folder.analysis_rows())) == sorted(
        map(json.dumps, [*before, *after])
    )
    with np.load(folder.analysis_arrays) as saved:
        assert {"/".join(key.split("/")[:2]) for key in saved.files} == {
            f"val/{MAPS}",
            "val/angles",
            f"test/{MAPS}",
        }


@pytest.mark.parametrize("method", ["dmrnet", "unimodal"])
def test_channel_distances_are_those_of_the_encoders_maps(made: Path, method: str) -> None:
    rows = analyse_run(made / method, [MAPS])
    run = open_run(made / method)
    data = run.samples("val")
    have = (data.present[:, 0] & data.present[:, 1]).nonzero().flatten()
    maps = []
    for i in have.tolist():
        one = data.take(torch.tensor([i])).inputs
        pair = []
        for v, name in enumerate(("wave", "face")):
            encoder = run.method.encoders[v]
            encoder = encoder.encoder if method == "unimodal" else encoder
            with torch.no_grad():
                pair.append(encoder(one[name]))
        maps.append(pair)
    for form in ("printed", "cosine"):
        for name, (m, n) in {"wave": (0, 0), "face": (1, 1), "wave+face": (0, 1)}.items():
            values = []
            for pair in maps:
                first, second = pair[m], pair[n]
                if m != n:
                    # A line of T positions cut into as many stretches as the plane has positions.
                    height, width = second.shape[2:]
                    line = torch.nn.functional.adaptive_avg_pool2d(first, (1, height * width))
                    first = line.reshape(1, -1, height, width)
                distance = channel_distance(first, second, form)[0]  # type: ignore[arg-type]
                if m == n and form == "cosine":
                    distance = distance[~torch.eye(len(distance), dtype=torch.bool)]
                values.append(distance.flatten())
            flat = torch.cat(values)
            got = {r["metric"]: r for r in rows if r["combination"] == name}
            assert got[form]["value"] == pytest.approx(float(flat.nanmean()), rel=1e-5)
            assert got[form]["n"] == len(have)
            share = float(flat.isnan().double().mean())
            assert got[f"{form}_undefined"]["value"] == pytest.approx(share)
            with np.load(RunFolder(made / method).analysis_arrays) as saved:
                counts = saved[f"val/{MAPS}/{form}/{name}"]
            assert counts.sum() == int((~flat.isnan()).sum())


def test_angles_are_those_of_the_predictors_input(made: Path) -> None:
    rows = {
        (r["combination"], r["metric"]): r["value"] for r in analyse_run(made / "sf-md", ["angles"])
    }
    run = open_run(made / "sf-md")
    data = run.samples("val")
    read: list[torch.Tensor] = []
    run.method.predictor.linear.register_forward_pre_hook(lambda _, args: read.append(args[0][0]))
    masks = {
        name: torch.tensor([part in name for part in ("wave", "face", "age")])
        for name in COMBINATIONS
    }
    seen = {}
    for name, mask in masks.items():
        for i in range(len(data)):
            batch = data.take(torch.tensor([i]))
            if bool((batch.present[0] | ~mask).all()):
                with torch.no_grad():
                    run.method(batch.inputs, mask[None])
                seen[name, i] = read[-1].double()
    target = data.target.tolist()

    def angle(u: torch.Tensor, v: torch.Tensor) -> float:
        return float(torch.rad2deg(torch.acos((u @ v / (u.norm() * v.norm())).clamp(-1, 1))))

    def mean(values: list[float]) -> float:
        known = [value for value in values if value == value]
        return sum(known) / len(known) if known else float("nan")

    def of(c: int, a: str, b: str, one: bool) -> float:
        rows_of = [
            [i for i in range(len(data)) if target[i] == c and (k, i) in seen] for k in (a, b)
        ]
        pairs = [(i, j) for i in rows_of[0] for j in rows_of[1] if (i == j) is one]
        return mean([angle(seen[a, i], seen[b, j]) for i, j in pairs])

    for a in COMBINATIONS:
        within = mean([of(c, a, a, False) for c in range(3)])
        assert rows[a, "within"] == pytest.approx(within, rel=1e-4)
        between = mean([of(c, a, b, False) for c in range(3) for b in COMBINATIONS if b != a])
        assert rows[a, "between"] == pytest.approx(between, rel=1e-4)
    apart = [(a, b) for a in COMBINATIONS for b in COMBINATIONS if a != b]
    same = mean([of(c, a, b, True) for c in range(3) for a, b in apart])
    assert rows["", "same"] == pytest.approx(same, rel=1e-4)
    weights = run.method.predictor.linear.weight.detach().double()
    own = mean(
        [
            mean(
                [
                    angle(seen[a, i], weights[c])
                    for i in range(len(data))
                    if target[i] == c and (a, i) in seen
                ]
            )
            for c in range(3)
            for a in COMBINATIONS
        ]
    )
    assert rows["", "class_vector"] == pytest.approx(own, rel=1e-4)
    assert rows["", "excess"] == pytest.approx(rows["", "between"] - rows["", "within"])
    assert ("", "between_centred") in rows


def test_angles_at_a_combination_compare_those_within_it(made: Path) -> None:
    rows = analyse_run(made / "sf-md", ["angles@face+age"])
    assert {r["combination"] for r in rows} == {"", "face", "age", "face+age"}


def test_variance_is_of_the_kept_epoch(made: Path) -> None:
    rows = {r["combination"]: r["value"] for r in analyse_run(made / "dmrnet", ["variance"])}
    folder = RunFolder(made / "dmrnet")
    best = folder.read_facts()["best_epoch"]
    lines = [json.loads(line) for line in folder.variance.read_text().splitlines()]
    kept = {x["combination"]: x["mean_variance"] for x in lines if x["epoch"] == best}
    assert rows == {"": pytest.approx(np.mean(list(kept.values()))), **kept}


def test_the_mined_set_agrees_as_recorded_by_fit(made: Path) -> None:
    rows = {r["metric"]: r["value"] for r in analyse_run(made / "dmrnet", ["hard-set"])}
    fitted = {r["metric"]: r["value"] for r in RunFolder(made / "dmrnet").rows()}
    assert rows["mined"] == pytest.approx(fitted["hard_agreement"])
    assert rows["by_loss_chance"] == pytest.approx(3 / 7)
    assert 0 <= rows["by_variance"] <= 1
    assert -1 <= rows["loss_rank"] <= 1


def test_the_number_of_samples_is_limited(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis_samples, "SAMPLES", 9)
    rows = analyse_run(made / "sf-md", ["angles@age"], again=True)
    assert next(r["n"] for r in rows if r["metric"] == "between") == 9


@pytest.mark.parametrize(
    ("method", "name", "split", "message"),
    [
        ("dmrnet", "channel-distance", "val", "modality age gives one position"),
        ("dmrnet", "angels", "val", "did you mean 'angles'"),
        ("dmrnet", "angles@wafe", "val", "wave"),
        ("dmrnet", "variance@wave", "val", "leave out @wave"),
        ("dmrnet", "hard-set", "test", "no scores on test; run dmrnet evaluate first"),
        ("dmrnet", "variance", "train", "val or test, got 'train'"),
        ("sf-md", "variance", "val", "has no distribution"),
        ("unimodal", "angles", "val", "no embedding of a combination"),
    ],
)
def test_an_impossible_analysis_is_refused(
    made: Path, method: str, name: str, split: str, message: str
) -> None:
    before = RunFolder(made / method).analysis_rows()
    with pytest.raises(ValueError, match=message):
        analyse_run(made / method, [name], split)
    assert RunFolder(made / method).analysis_rows() == before


def test_an_impossible_analysis_leaves_the_others_to_one_encoding(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copied(made / "sf-md", tmp_path)
    refused: dict[str, str] = {}
    passes: list[int] = []
    real = analysis_samples.evaluation_batches

    def counted(*args: Any, **named: Any) -> Any:
        passes.append(1)
        return real(*args, **named)

    monkeypatch.setattr(analysis_samples, "evaluation_batches", counted)
    names = ["channel-distance@age", "variance", *ALL]
    rows = analyse_run(run, names, refuse=lambda name, error: refused.update({name: str(error)}))
    assert set(refused) == {"channel-distance@age", "variance"}
    assert "gives one position" in refused["channel-distance@age"]
    assert "has no distribution" in refused["variance"]
    assert passes == [1]
    assert {row["analysis"] for row in rows} == {MAPS, "angles", "hard-set"}
    assert RunFolder(run).analysis_rows() == rows


def test_a_test_file_is_for_the_test_split(made: Path) -> None:
    file = str(made / "val.npz")
    with pytest.raises(ValueError, match="no test file with the split val"):
        analyse_run(made / "dmrnet", ["angles"], test=file)
    own = analyse_run(made / "dmrnet", ["angles@age"], "test")
    other = analyse_run(made / "dmrnet", ["angles@age"], "test", test=file)
    assert own[0]["n"] != other[0]["n"]
    # Rows of the run's own samples again, not those of the other file.
    assert analyse_run(made / "dmrnet", ["angles@age"], "test") == own


def test_other_validation_samples_are_refused(made: Path, tmp_path: Path) -> None:
    folder = tmp_path
    fit_run(settings_in(folder, method="sf-md", epochs=1), folder / "run")
    with np.load(folder / "val.npz") as saved:
        arrays = dict(saved)
    arrays["age"] = arrays["age"] + 1
    np.savez(folder / "val.npz", **arrays)
    with pytest.raises(ValueError, match="expected the val samples with which"):
        analyse_run(folder / "run", ["angles"])


def test_an_interrupted_analysis_is_made_again(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made / "unimodal"
    whole = analyse_run(path, ["channel-distance@face"])
    before = RunFolder(path).analysis_rows()

    def full(*_: object) -> None:
        raise OSError(28, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(folder_module, "write_together", full)
        with pytest.raises(OSError, match="no space"):
            analyse_run(path, ["channel-distance@face"], "test")
    assert RunFolder(path).analysis_rows() == before
    assert len(analyse_run(path, ["channel-distance@face"], "test")) == len(whole)
    assert len(RunFolder(path).analysis_rows()) == len(before) + len(whole)
    assert not list(path.glob(".*"))


def test_a_test_set_that_was_evaluated_has_its_own_agreement(made: Path) -> None:
    evaluate_run(open_run(made / "sf-md"))
    rows = {r["metric"]: r["value"] for r in analyse_run(made / "sf-md", ["hard-set"], "test")}
    assert "by_loss" in rows
    assert "by_variance" not in rows
