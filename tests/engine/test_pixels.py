"""A dense run, from training to its rows and files."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score
from tests.data.made import cwfid as made

from dmrnet.data.published.preparation import prepare
from dmrnet.engine.analysis.analyse import analyse_run
from dmrnet.engine.evaluate import evaluate_run
from dmrnet.engine.fit import fit_run
from dmrnet.engine.predict import predictable
from dmrnet.engine.predict_maps import label_maps
from dmrnet.engine.run.finished import open_run
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.scores.scoring import score_images
from dmrnet.engine.training.selection import select_on
from dmrnet.evaluation import (
    MeanIoU,
    Tiling,
    channel_distance,
    evaluate_pixels,
    predict_pixels,
)
from dmrnet.evaluation.dense.tiles import padded
from dmrnet.methods.probes import modality_maps
from dmrnet.modalities import all_combinations, name_of
from dmrnet.settings.config import parse_run


@cache
def prepared() -> str:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, True)
    prepare("cwfid", [made.make(folder / "source")], folder / "root")
    return str(folder / "root")


def settings(*flags: str, method: str = "dmrnet"):
    return parse_run(
        [
            *("--data", "cwfid", "--data.root", prepared(), "--data.tile", "32"),
            *("--data.tiles", "16", "--method", method, "--method.network.width", "16"),
            *("--max-epochs", "8", "--batch-size", "16", "--select-times", "2", "--lr", "0.1"),
            *("--threads", "1", "--accelerator", "cpu", *flags),
        ]
    )


@cache
def run() -> Path:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, True)
    assert fit_run(settings(), folder / "run")
    evaluate_run(open_run(folder / "run"))
    return folder / "run"


def value(rows: list[dict], split: str, metric: str, combination: str) -> float:
    (row,) = (
        r
        for r in rows
        if (r["split"], r["metric"], r["combination"]) == (split, metric, combination)
    )
    return row["value"]


def test_rows_follow_from_the_counts_of_images() -> None:
    folder = RunFolder(run())
    rows = folder.rows()
    with np.load(folder.predictions) as kept:
        names, confusion = kept["combination"].tolist(), kept["confusion"]
        assert kept["index"].tolist() == [0, 1, 2, 3]
        assert kept["scored"].all()
    assert names == ["red", "nir", "red+nir"]
    assert confusion.shape == (3, 4, 3, 3)
    assert (confusion.sum((2, 3)) == made.HEIGHT * made.WIDTH).all()
    for name, counts in zip(names, confusion.sum(1), strict=True):
        cells = [(t, g) for t in range(3) for g in range(3) for _ in range(counts[t, g])]
        truth, guess = np.array(cells).T
        of_class = jaccard_score(truth, guess, labels=range(3), average=None, zero_division=0)
        assert value(rows, "test", "miou", name) == pytest.approx(of_class.mean())
        for c, text in enumerate(("soil", "crop", "weed")):
            assert value(rows, "test", f"iou/{text}", name) == pytest.approx(of_class[c])
        assert value(rows, "test", "pixel_accuracy", name) == pytest.approx((truth == guess).mean())
    # n counts images: 4 of test and 1 of validation.
    assert {r["n"] for r in rows if r["split"] == "test"} == {4}
    assert {r["n"] for r in rows if r["split"] == "val"} == {1}
    # Both plants are bright in one and dark in the other: learnt, in the end.
    assert value(rows, "test", "pixel_accuracy", "red+nir") > 0.9


def test_label_maps_are_kept_with_the_truth() -> None:
    folder = RunFolder(run())
    with np.load(folder.pictures) as maps, np.load(folder.predictions) as kept:
        index = maps["index"].tolist()
        assert index == [0, 2, 3]
        assert maps["classes"].tolist() == ["soil", "crop", "weed"]
        tested = made.labels()[[n - 1 for n in made.TEST]]
        assert np.array_equal(maps["truth"], tested[index])
        for k in range(3):
            for place, image in enumerate(index):
                counts = np.zeros((3, 3), dtype=int)
                cells = (maps["truth"][place], maps["predicted"][k, place])
                np.add.at(counts, cells, 1)
                assert np.array_equal(counts, kept["confusion"][k, image])


def test_images_are_kept_where_they_may_be_shown(tmp_path: Path) -> None:
    with np.load(RunFolder(run()).pictures) as maps:
        assert not [name for name in maps.files if name.startswith("input")]
    pytest.importorskip("h5py")
    from tests.data.made import nyuv2

    prepare("nyuv2", [nyuv2.make(tmp_path / "source")], tmp_path / "root")
    flags = ["--data", "nyuv2", "--data.root", str(tmp_path / "root"), "--data.val-share", "0.3"]
    short = ["--method", "sf-md", "--max-epochs", "1", "--threads", "1", "--accelerator", "cpu"]
    assert fit_run(parse_run([*flags, *short, "--method.network.width", "16"]), tmp_path / "run")
    evaluate_run(open_run(tmp_path / "run"))
    test = parse_run([*flags, *short]).data.load(0).test
    with np.load(tmp_path / "run" / "pictures.npz") as maps:
        index = torch.from_numpy(maps["index"])
        assert len(index) == 3
        shown, seen = maps["input/rgb"], test.take(index).inputs["rgb"].numpy()
        assert shown.dtype == np.uint8
        assert shown.shape == seen.shape
        for one, other in zip(shown, seen, strict=True):
            scaled = (other - other.min()) / (other.max() - other.min()) * 255
            assert np.abs(one - scaled).max() <= 0.51
        assert maps["input/depth"].shape[1] == 1


def test_the_folder_says_that_every_pixel_has_a_class() -> None:
    facts = json.loads((run() / "run.json").read_text())
    assert facts["dense"] is True
    assert facts["score"] == "miou"
    again = open_run(run())
    assert again.task.dense
    with pytest.raises(ValueError, match="gives every pixel a class"):
        evaluate_run(again, "some.npz")
    # Counts in tiles are counts of the same pixels.
    before = RunFolder(run()).rows()
    result, _ = evaluate_run(again, tile=288)
    assert int(result.confusion[0].sum()) == 4 * made.HEIGHT * made.WIDTH
    assert RunFolder(run()).rows() == before


def test_selection_is_by_mean_iou_of_whole_images() -> None:
    one = open_run(run())
    test = one.samples("test")
    found = score_images(one.method, test, all_combinations(2))
    expected = float(MeanIoU().columns(found.confusion)["miou"][0].mean())
    measure = MeanIoU()
    assert select_on(one.method, test, 12, measure=measure).score == pytest.approx(expected)
    whole = float(MeanIoU().columns(found.confusion)["miou"][0][-1])
    complete = select_on(one.method, test, 12, measure=measure, complete=True).score
    assert complete == pytest.approx(whole)
    # Two images of four fit the budget: always the same.
    rows = [1, 3]
    few = evaluate_pixels(
        one.method,
        [
            test.take(torch.tensor([row])).masked(*[torch.ones(1, 2) > 0] * 2, ("red", "nir"))
            for row in rows
        ],
        all_combinations(2),
        stride=16,
    )
    expected = float(MeanIoU().columns(few.confusion)["miou"][0].mean())
    assert select_on(one.method, test, 6, measure=measure).score == pytest.approx(expected)


def test_the_loss_uses_the_class_weights_of_the_data(tmp_path: Path) -> None:
    weighed = settings("--data.weights", "median")
    splits = weighed.data.load(0)
    task = splits.train.task
    assert len(set(task.class_weights)) == 2
    torch.manual_seed(0)
    method = weighed.method.build(task)
    batch = splits.train.take(torch.arange(4))
    present = torch.ones(4, 2, dtype=torch.bool)
    step = method.eval().step(batch.masked(present, present, task.modalities))
    weights = torch.tensor(task.class_weights)
    expected = torch.nn.functional.cross_entropy(step.out.logits, batch.target, weights)
    torch.testing.assert_close(step.task.mean, expected)
    assert not any("class_weights" in name for name in method.state_dict())


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_rows(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(progress) -> None:
        if progress.epoch == 2:
            raise Stop

    short = settings("--max-epochs", "3", "--data.tiles", "4", "--batch-size", "4")
    with pytest.raises(Stop):
        fit_run(short, tmp_path / "one" / "run", report=stop)
    for place in ("one", "two"):
        assert fit_run(short, tmp_path / place / "run")
    ours, whole = (
        [
            row
            for row in RunFolder(tmp_path / place / "run").rows()
            if row["metric"] not in ("train_seconds", "train_cpu_seconds")
        ]
        for place in ("one", "two")
    )
    assert ours == whole


@pytest.mark.parametrize("method", ["sf-md", "head-only", "dmr"])
def test_the_other_methods_of_the_ablation_train(method: str, tmp_path: Path) -> None:
    short = settings("--max-epochs", "1", "--data.tiles", "4", method=method)
    assert fit_run(short, tmp_path / "run")
    rows = RunFolder(tmp_path / "run").rows()
    assert 0 <= value(rows, "val", "miou", "nir") <= 1


def test_channels_of_whole_images_have_a_distance_and_pixels_no_angle(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run(), tmp_path / "run"))
    rows = analyse_run(folder, ["channel-distance", "hard-set"], "test")
    means = {r["combination"]: r for r in rows if r["metric"] == "cosine"}
    assert list(means) == ["red", "red+nir", "nir"]
    assert all(0 < row["value"] < 2 and row["n"] == 4 for row in means.values())
    one = open_run(folder)
    batch = one.samples("test").take(torch.arange(4))
    inputs = padded(batch.inputs, one.method.stride)
    with torch.no_grad():
        maps = modality_maps(one.method, inputs, dict.fromkeys(one.task.modalities))
    between = channel_distance(maps["red"], maps["nir"]).nanmean()
    assert means["red+nir"]["value"] == pytest.approx(float(between), rel=1e-5)
    with pytest.raises(ValueError, match="every pixel has a class of its own"):
        analyse_run(folder, ["angles"], "test")


def test_label_maps_are_those_of_the_evaluation(tmp_path: Path) -> None:
    one = open_run(run())
    test = one.samples("test")
    names = one.task.modalities
    every = all_combinations(2)
    expected = score_images(one.method, test, every, show=range(4)).maps
    assert expected is not None
    planes = made.planes()[[number - 1 for number in made.TEST]]
    np.savez(tmp_path / "own.npz", red=planes[:, 0], nir=planes[:, 1])
    own = one.read(str(tmp_path / "own.npz"), need_target=False)
    for dataset in (test, own):
        for mask, predicted in zip(every, expected.predicted, strict=True):
            some = predictable(one, dataset, name_of(mask, names), "")
            found = list(label_maps(one, dataset, some.rows, some.visible, batch_size=3))
            assert [len(maps) for _, maps in found] == [3, 1]
            assert torch.equal(torch.cat([index for index, _ in found]), torch.arange(4))
            share = (torch.cat([maps for _, maps in found]) == predicted).float().mean()
            # Rounding may change the winner of a tie.
            assert share > 0.9999
    # In tiles they are predicted as `evaluate_pixels` does it.
    batch = test.take(torch.arange(2)).masked(*[torch.ones(2, 2) > 0] * 2, names)
    tiled = {"stride": 16, "tiling": Tiling(48, 16)}
    maps = evaluate_pixels(one.method, [batch], every, **tiled, show=[0, 1]).maps
    assert torch.equal(predict_pixels(one.method, batch, **tiled), maps.predicted[-1])
    with pytest.raises(ValueError, match="with a mask"):
        predict_pixels(one.method, test.take(torch.arange(2)))


def test_each_image_is_predicted_from_what_it_has(tmp_path: Path) -> None:
    one = open_run(run())
    planes = made.planes()[:3]
    present = np.array([[True, False], [False, True], [True, True]])
    # Absent inputs may hold anything.
    planes[0, 1], planes[1, 0] = 255, 0
    np.savez(tmp_path / "own.npz", red=planes[:, 0], nir=planes[:, 1], present=present)
    own = one.read(str(tmp_path / "own.npz"), need_target=False)
    some = predictable(one, own, None, "")
    ((_, found),) = label_maps(one, own, some.rows, some.visible)
    for row, shown in enumerate(torch.from_numpy(present)):
        inputs = padded(own.take(torch.tensor([row])).inputs, 16)
        with torch.no_grad():
            logits = one.method(inputs, shown[None])[0, :, : made.HEIGHT, : made.WIDTH]
        assert (logits.argmax(0) == found[row]).float().mean() > 0.9999
    assert predictable(one, own, "red", "").rows.tolist() == [0, 2]


def test_scales_are_kept_with_the_run_or_taken_from_its_data(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run(), tmp_path / "run"))
    np.savez(tmp_path / "own.npz", nir=made.planes()[:2, 1])
    kept = open_run(folder).read(str(tmp_path / "own.npz"), need_target=False)
    # A run of an earlier version has none.
    (folder / "standardiser.safetensors").unlink()
    facts = json.loads((folder / "run.json").read_text())
    del facts["seal"]
    (folder / "run.json").write_text(json.dumps({**facts, "standardised": False}))
    found = open_run(folder).read(str(tmp_path / "own.npz"), need_target=False)
    assert torch.equal(kept.arrays["nir"], found.arrays["nir"])
