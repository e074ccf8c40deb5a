"""casia-surf, from made files in the layout that the released code reads."""

from __future__ import annotations

import atexit
import json
import pickle
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.data.contract import DatasetContract, together
from tests.data.made import casia_surf as made

from dmrnet.data.files.cache import read_cache
from dmrnet.data.published.casia_surf import parse
from dmrnet.data.published.preparation import prepare
from dmrnet.data.sets.published.casia_surf import CasiaSurf
from dmrnet.engine.evaluate import evaluate_run
from dmrnet.engine.fit import fit_run
from dmrnet.engine.run.finished import open_run
from dmrnet.engine.run.folder import RunFolder
from dmrnet.settings.config import parse_run


@cache
def published() -> Path:
    """Return the made files; not to be changed."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, True)
    return made.make(folder)


@cache
def prepared() -> str:
    root = published() / "root"
    prepare("casia-surf", [published()], root)
    return str(root)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The made files, to be damaged."""
    shutil.copytree(published(), tmp_path / "source", ignore=shutil.ignore_patterns("root"))
    return tmp_path / "source"


class TestCasiaSurf(DatasetContract):
    seeded = False

    def splits(self, seed: int):
        return CasiaSurf(prepared()).load(seed)

    def test_training_rows_are_standardised(self, loaded) -> None:
        """Numbers are (x - 127.5) / 128, as released."""
        for role in loaded.parts():
            for pixels in together(type(self), role).inputs.values():
                assert (pixels.abs() <= 127.5 / 128).all()


def shown(part, row: int) -> dict[str, np.ndarray]:
    """Return the middle pixel of each modality, from 0 to 255."""
    inputs = part.take(torch.tensor([row])).inputs
    return {name: x[0, :, 56, 56].numpy() * 128 + 127.5 for name, x in inputs.items()}


def test_every_picture_has_its_true_name_and_place() -> None:
    splits = CasiaSurf(prepared(), augment=False).load(0)
    assert splits.train.task.modalities == ("rgb", "depth", "ir")
    assert splits.train.task.classes == ("attack", "bona fide")
    for split, part in splits.parts().items():
        assert len(part) == made.COUNTS[split]
        for row in range(len(part)):
            for name, colour in shown(part, row).items():
                expected = np.broadcast_to(made.colour(split, row, name), 3)
                assert np.abs(colour - expected).max() < 4, (split, row, name)
            assert part.target[row] == (row % 3 == 0)
            assert part.samples[row] == made.path(split, row, "rgb", row % 3 == 0)


def test_the_last_line_keeps_its_label_and_a_mark_is_no_path() -> None:
    lines = parse(made.BOM + b"a.jpg b.jpg c.jpg 0\r\nd.jpg e.jpg f.jpg 1", "list")
    assert [(number, row.files, row.label) for number, row in lines.rows.items()] == [
        (1, ("a.jpg", "b.jpg", "c.jpg"), 0),
        (2, ("d.jpg", "e.jpg", "f.jpg"), 1),
    ]
    assert not lines.bad


def test_lines_that_are_none_are_named() -> None:
    text = b"a b c 1\n\na b 1\na b c 2\na b c d 0\na b c 0\n"
    lines = parse(text, "list")
    assert [*lines.rows] == [1, 6]
    assert [*lines.bad] == [3, 4, 5]
    with pytest.raises(ValueError, match=r"found none \(line 1: expected 4 fields with blanks"):
        parse(b"my faces/a.jpg my faces/b.jpg my faces/c.jpg 1", "list")
    with pytest.raises(ValueError, match="list: expected text in UTF-8"):
        parse("a.jpg b.jpg c.jpg 1".encode("utf-16"), "list")
    lines = parse(rb"Val\0\a-color.jpg Val\0\a-depth.jpg Val\0\a-ir.jpg 1", "list")
    assert lines.rows[1].files[0] == "Val/0/a-color.jpg"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Val/0/1-color.jpg Val/0/1-ir.jpg Val/0/1-depth.jpg 1", "ir.jpg as depth"),
        ("x/depth/1.jpg x/color/1.jpg x/ir/1.jpg 0", "depth/1.jpg as rgb"),
    ],
)
def test_swapped_modalities_are_refused(line: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(line.encode(), "train_list.txt")


def test_names_of_people_are_no_modalities() -> None:
    line = b"irene/1.jpg depths/1.jpg colored/1.jpg 1"
    assert len(parse(line, "list").rows) == 1


@pytest.mark.parametrize("live", [0, 1])
def test_polarity_follows_from_paths(tmp_path: Path, live: int) -> None:
    prepare("casia-surf", [made.make(tmp_path / "source", live)], tmp_path)
    splits = CasiaSurf(str(tmp_path)).load(0)
    assert splits.train.target.tolist() == [int(row % 3 == 0) for row in range(12)]
    assert f"label {live} is a real face" in splits.notes[0]
    wrong = f"live-{1 - live}"
    with pytest.raises(ValueError, match=r"paths of 12 of 12 samples say the opposite"):
        CasiaSurf(str(tmp_path), polarity=wrong).load(0)
    assert CasiaSurf(str(tmp_path), polarity=f"live-{live}").load(0).notes == splits.notes


def with_hints(root: Path, hints: np.ndarray, labels: np.ndarray) -> CasiaSurf:
    """Return settings on a cache whose training rows were told otherwise."""
    shutil.copytree(prepared(), root)
    path = root / "casia-surf.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["train.hint"], arrays["train.label"] = hints.astype(np.int8), labels
    np.savez(path, **arrays)
    beside = root / "casia-surf.json"
    record = json.loads(beside.read_text())
    beside.write_text(json.dumps(record | {"bytes": path.stat().st_size}))
    return CasiaSurf(str(root))


def test_paths_that_disagree_are_refused(tmp_path: Path) -> None:
    labels = np.arange(12) % 3 == 0
    hints = labels.copy()
    hints[4] = True
    settings = with_hints(tmp_path / "r", hints, labels.astype(np.int64))
    with pytest.raises(ValueError, match="disagree in 1 of 12 samples"):
        settings.load(0)


def test_where_paths_tell_nothing_a_majority_of_real_faces_is_doubted(tmp_path: Path) -> None:
    nothing = np.full(12, -1)
    few = (np.arange(12) % 3 == 0).astype(np.int64)
    assert with_hints(tmp_path / "a", nothing, few).load(0).train.target.sum() == 4
    many = with_hints(tmp_path / "b", nothing, 1 - few)
    with pytest.raises(ValueError, match=r"67% of the training list has label 1"):
        many.load(0)
    assert CasiaSurf(many.root, polarity="live-0").load(0).train.target.sum() == 4


def test_a_missing_or_damaged_picture_takes_its_sample_and_no_other(copy: Path, tmp_path) -> None:
    missing = copy / made.path("train", 5, "ir", False)
    damaged = copy / made.path("train", 7, "depth", False)
    empty = copy / made.path("val", 3, "rgb", True)
    missing.unlink()
    damaged.write_bytes(damaged.read_bytes()[:200])
    empty.write_bytes(b"")
    with pytest.raises(ValueError, match=r"3 of the source are missing or damaged") as refused:
        prepare("casia-surf", [copy], tmp_path / "root")
    for name in (missing, damaged, empty):
        assert name.name in str(refused.value)
    assert not (tmp_path / "root" / "casia-surf.npz").exists()
    prepare("casia-surf", [copy], tmp_path / "root", bad="skip")
    whole, skipped = (
        CasiaSurf(str(root), augment=False).load(0) for root in (prepared(), tmp_path / "root")
    )
    for split, gone in {"train": {5, 7}, "val": {3}, "test": set()}.items():
        kept = [row for row in range(made.COUNTS[split]) if row not in gone]
        one, other = whole.parts()[split], skipped.parts()[split]
        assert other.samples == tuple(one.samples[row] for row in kept)
        assert torch.equal(other.target, one.target[kept])
        expected = one.take(torch.tensor(kept)).inputs
        for name, pixels in other.take(torch.arange(len(kept))).inputs.items():
            assert torch.equal(pixels, expected[name])
    prepare("casia-surf", [copy], tmp_path / "root", bad="absent")
    kept = CasiaSurf(str(tmp_path / "root"), augment=False).load(0)
    for split, part in kept.parts().items():
        assert part.samples == whole.parts()[split].samples
    assert (~kept.train.present).nonzero().tolist() == [[5, 2], [7, 1]]
    assert (~kept.val.present).nonzero().tolist() == [[3, 0]]
    assert kept.test.present.all()
    assert "3 train.depth" not in skipped.notes[-1]
    assert "1 train.depth: " in skipped.notes[-1]


def test_an_interrupted_preparation_goes_on(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("dmrnet.data.published.work.FILES_AT_ONCE", 5)
    stop = iter(range(20))

    def interrupted(group: str, done: int, total: int) -> None:
        if next(stop, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare("casia-surf", [published()], tmp_path, progress=interrupted)
    assert len(list(tmp_path.glob(".casia-surf*/*.npz"))) > 3
    prepare("casia-surf", [published()], tmp_path)
    assert not list(tmp_path.glob(".casia-surf*"))
    one, other = (read_cache("casia-surf", root, 1)[0] for root in (prepared(), str(tmp_path)))
    assert one.keys() == other.keys()
    for key in one:
        assert np.array_equal(one[key], other[key]), key
    lines: list[str] = []
    prepare("casia-surf", [published()], tmp_path, log=lines.append)
    assert "nothing to do" in lines[0]
    (tmp_path / "casia-surf.val.ir.npy").write_bytes(b"cut off")
    with pytest.raises(ValueError, match="damaged"):
        CasiaSurf(str(tmp_path)).load(0)


def test_augmentation_follows_from_seed_epoch_and_row_and_is_one_for_all() -> None:
    def seen(seed: int, epoch: int, rows: list[int]):
        part = CasiaSurf(prepared()).load(seed).train
        return part.take(torch.tensor(rows), epoch).inputs

    first, alone = seen(0, 1, [3, 4, 5]), seen(0, 1, [4])
    for name in first:
        assert torch.equal(first[name][1], alone[name][0])
    assert not torch.equal(seen(0, 2, [4])["rgb"], alone["rgb"])
    assert not torch.equal(seen(1, 1, [4])["rgb"], alone["rgb"])
    # Corners that the rotation left black are the same in every modality.
    splits = CasiaSurf(prepared()).load(0)
    inputs = splits.train.take(torch.arange(12), 3).inputs
    black = {name: (x < -0.9).all(1) for name, x in inputs.items()}
    assert black["rgb"].any()
    grey = [row for row in range(12) if all(made.colour("train", row, n)[0] > 40 for n in inputs)]
    for row in grey:
        for name in ("depth", "ir"):
            differ = (black[name][row] != black["rgb"][row]).double().mean()
            assert differ < 0.01


def test_workers_see_what_one_process_sees() -> None:
    part = CasiaSurf(prepared()).load(0).train
    again = pickle.loads(pickle.dumps(part))
    rows = torch.arange(5)
    for name, pixels in part.take(rows, 2).inputs.items():
        assert torch.equal(pixels, again.take(rows, 2).inputs[name])
    assert len(pickle.dumps(part)) < 20_000


def scored(root: str, method: str, threshold: str, folder: Path) -> dict[tuple[str, str], dict]:
    """Return the test rows of a run, trained and scored; check that they are those of ACER."""
    settings = parse_run(
        [
            *("--data", "casia-surf", "--data.root", root, "--data.threshold", threshold),
            *("--method", method),
            *("--method.network.family", "surf", "--method.network.stem", "4"),
            *("--max-epochs", "2", "--batch-size", "4", "--accelerator", "cpu", "--threads", "1"),
        ]
    )
    said = []
    fit_run(settings, folder, report=said.append)
    assert {progress.score for progress in said} == {"ACER"}
    assert said[-1].best == min(progress.selection for progress in said)
    evaluate_run(open_run(folder))
    run = RunFolder(folder)
    assert run.read_facts()["score"] == "acer"
    assert ("thresholds" in run.read_facts()) == (threshold == "eer")
    rows = {(r["metric"], r["combination"]): r for r in run.rows() if r["split"] == "test"}
    for combination in ("rgb", "depth", "ir", "rgb+depth+ir"):
        acer, apcer, bpcer = (rows[m, combination]["value"] for m in ("acer", "apcer", "bpcer"))
        assert acer == pytest.approx((apcer + bpcer) / 2)
    with np.load(run.predictions) as saved:
        # What was taken, and not the likelier class, is what the rows were counted from.
        wrong = saved["predicted"] != saved["target"]
        for k, combination in enumerate(saved["combination"].tolist()):
            rates = [wrong[k][saved["target"] == label].mean() for label in (0, 1)]
            assert np.mean(rates) == pytest.approx(rows["acer", combination]["value"])
        assert len(saved["source"]) == rows["acer", "rgb"]["n"]
    label = rows["acer", "rgb"]["dataset"]
    assert label == ("casia-surf" if threshold == "half" else "casia-surf (threshold=eer)")
    return rows


def test_a_run_is_selected_and_scored_by_acer(tmp_path: Path) -> None:
    rows = scored(prepared(), "sf-md", "eer", tmp_path / "run")
    for combination in ("rgb", "depth", "ir", "rgb+depth+ir"):
        counts = [rows[m, combination]["n"] for m in ("acer", "apcer", "bpcer")]
        assert counts == [10, 6, 4]
        # The test list's paths tell no types of attack.
        assert ("apcer/worst", combination) not in rows


def test_types_of_attack_are_known_where_paths_name_them() -> None:
    part = CasiaSurf(prepared()).load(0).train
    assert part.attack_types == ("02_e_b", "06_enm_b")
    assert part.attack_type.tolist() == [-1 if row % 3 == 0 else row // 2 % 2 for row in range(12)]


@pytest.mark.slow
def test_a_test_whose_paths_tell_types_is_scored_by_type(copy: Path, tmp_path: Path) -> None:
    shutil.copy(copy / made.LISTS["train"], copy / made.LISTS["test"])
    lines: list[str] = []
    prepare("casia-surf", [copy], tmp_path / "root", log=lines.append)
    assert "12 of 12 test samples are also in train" in lines
    rows = scored(str(tmp_path / "root"), "dmrnet", "half", tmp_path / "run")
    for combination in ("rgb", "depth+ir"):
        pooled = rows["apcer", combination]
        types = [rows[f"apcer/{name}", combination] for name in ("02_e_b", "06_enm_b")]
        assert sum(row["n"] for row in types) == pooled["n"] == 8
        wrong = sum(row["value"] * row["n"] for row in types)
        assert wrong == pytest.approx(pooled["value"] * 8)
        assert rows["apcer/worst", combination]["value"] == max(row["value"] for row in types)
