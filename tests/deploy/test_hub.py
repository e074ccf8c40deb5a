"""The layout of the Hub: what is written is read again, and names nothing of the user's disk."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

import dmrnet
from dmrnet import Run
from dmrnet.cli import main
from dmrnet.deploy.hub import read_header

from .conftest import RUNS


@pytest.fixture(scope="module")
def folder(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run.save_pretrained(tmp_path_factory.mktemp("hub") / "model", licence="apache-2.0")


def test_a_folder_is_read_again(run: Run, folder: Path) -> None:
    again = dmrnet.from_pretrained(folder)
    arrays = RUNS / "data" / "test.npz"
    assert np.array_equal(again.predict_proba(arrays), run.predict_proba(arrays))
    assert again.validation.values == run.validation.values
    assert (again.modalities, again.classes) == (run.modalities, run.classes)
    assert again.evaluate(arrays)["image"] == 1.0


def test_the_card_has_the_table_and_its_picture(run: Run, folder: Path) -> None:
    _, front, body = (folder / "README.md").read_text().split("---\n", 2)
    said = yaml.safe_load(front)
    assert said["library_name"] == "dmrnet"
    assert said["license"] == "apache-2.0"
    values = {
        row["combination"]: (row["value"], row["n"])
        for row in run._finished.folder.rows()
        if (row["split"], row["metric"]) == ("test", "accuracy")
    }
    metrics = {one["name"]: one["value"] for one in said["model-index"][0]["results"][0]["metrics"]}
    mean = np.mean([value for value, _ in values.values()])
    assert metrics["accuracy, average over combinations"] == pytest.approx(mean, abs=1e-6)
    for name, (value, n) in values.items():
        assert f"| {name} | {100 * value:.1f} | {n} |" in body
    assert "](combinations.png)" in body
    assert (folder / "combinations.png").read_bytes().startswith(b"\x89PNG")
    assert "from_pretrained" in body


def test_no_path_of_the_disk_goes_along(folder: Path) -> None:
    for path in folder.iterdir():
        content = path.read_bytes()
        assert b"elsewhere" not in content, path
        assert str(RUNS).encode() not in content, path


def test_weights_say_what_they_are(folder: Path) -> None:
    said = read_header(folder / "model.safetensors")
    assert said["modalities"] == ["sound", "image"]
    assert said["inputs"][1]["shape"] == [1, 6, 6]
    assert json.loads((folder / "config.json").read_text())["model_type"] == "dmrnet"


def test_the_format_safetensors_is_read_too(run: Run, tmp_path: Path) -> None:
    exported = run.export(tmp_path, "safetensors")
    inputs = {"image": np.ones((2, 1, 6, 6))}
    again = dmrnet.from_pretrained(exported.path.parent)
    assert np.array_equal(again.predict_proba(inputs), run.predict_proba(inputs))


@pytest.mark.usefixtures("no_pictures")
def test_a_folder_with_other_files_is_left_alone(run: Run, tmp_path: Path) -> None:
    run.push_to_hub(tmp_path)
    run.push_to_hub(tmp_path)
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(FileExistsError, match=r"README\.md exists"):
        run.save_pretrained(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"


@pytest.mark.usefixtures("no_pictures")
def test_a_repository_is_made_and_filled(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    class Api:
        def create_repo(self, name: str, **options: Any) -> str:
            calls.append((name, options))
            return f"https://huggingface.co/{name}"

        def upload_folder(self, **options: Any) -> None:
            calls.append({path.name for path in Path(options["folder_path"]).iterdir()})

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(HfApi=Api))
    assert run.push_to_hub("me/mine", private=True) == "https://huggingface.co/me/mine"
    assert calls[0] == ("me/mine", {"private": True, "exist_ok": True})
    assert calls[1] >= {"model.safetensors", "config.json", "README.md", "combinations.png"}


def test_a_repository_is_downloaded(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def snapshot_download(name: str, **options: Any) -> str:
        asked.append((name, options["revision"]))
        return str(folder)

    fake = SimpleNamespace(snapshot_download=snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    assert dmrnet.from_pretrained("me/mine", revision="v1").classes == run.classes
    assert asked == [("me/mine", "v1")]


def test_what_cannot_be_read_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        dmrnet.from_pretrained("./nowhere/at/all")
    with pytest.raises(FileNotFoundError, match=r"has no model\.safetensors"):
        dmrnet.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:99])
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match="expected settings and facts"):
        dmrnet.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(ValueError, match="corrupt or no safetensors"):
        dmrnet.from_pretrained(tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModuleNotFoundError, match=r"dmrnet\[hub\]"):
        dmrnet.from_pretrained("me/mine")


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("target", ["multi-label", "ordinal", "regression"])
def test_what_is_predicted_goes_along(target: str, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    inputs = {"a": draw.normal(size=(40, 3)), "b": draw.normal(size=(40, 2))}
    y: Any = {
        "multi-label": draw.integers(0, 2, (40, 3)),
        "ordinal": draw.integers(0, 3, 40),
        "regression": 50 + 9 * draw.normal(size=40),
    }[target]
    data = dmrnet.MultimodalDataset(inputs, y, target=target)
    run = dmrnet.fit(data, method="sf-md", max_epochs=1, out=tmp_path / "run")
    folder = run.save_pretrained(tmp_path / "hub")
    again = dmrnet.from_pretrained(folder)
    assert np.array_equal(again.predict(inputs), run.predict(inputs))
    if target != "regression":
        assert np.array_equal(again.predict_proba(inputs), run.predict_proba(inputs))
    card = (folder / "README.md").read_text()
    score = run.validation["a+b"]
    what, shown = {
        "multi-label": ("which of 3 labels it has", f"{100 * score:.1f}"),
        "ordinal": ("one of 3 ordered classes", f"{score:.4g}"),
        "regression": ("Predicts a number", f"{score:.4g}"),
    }[target]
    assert what in card
    assert f"| a+b | {shown} |" in card
    assert ("in percent" in card) == (target == "multi-label")
    # Folders of earlier versions do not name the target in their facts.
    config = json.loads((folder / "config.json").read_text())
    del config["facts"]["target"], config["facts"]["scale"]
    (folder / "config.json").write_text(json.dumps(config))
    if target == "regression":
        with pytest.raises(ValueError, match="written by an earlier version"):
            dmrnet.from_pretrained(folder)
    else:
        assert np.array_equal(
            dmrnet.from_pretrained(folder).predict_proba(inputs), run.predict_proba(inputs)
        )


@pytest.mark.usefixtures("no_pictures")
def test_how_a_table_was_read_goes_along(tmp_path: Path) -> None:
    lines = ["y,age,sex,town"]
    lines += [f"{'ab'[k % 2]},{20 + k % 7},{'mf'[k % 3 % 2]},{'xyz'[k % 3]}" for k in range(40)]
    (tmp_path / "train.csv").write_text("\n".join(lines))
    # Without the third town: alone, this table would be read into fewer columns.
    new = [line for line in lines if not line.endswith("z")]
    (tmp_path / "new.csv").write_text("\n".join(new))
    words = ["fit", "--data", "table", "--data.train", str(tmp_path / "train.csv")]
    words += ["--data.columns", "who=age+sex,where=town", "--data.target", "y"]
    words += ["--method", "sf-md", "--max-epochs", "1", "--out", str(tmp_path / "run")]
    assert main(words) == 0
    run = dmrnet.open_run(tmp_path / "run")
    again = dmrnet.from_pretrained(run.save_pretrained(tmp_path / "hub"))
    expected = run.predict_proba(tmp_path / "new.csv")
    assert np.array_equal(again.predict_proba(tmp_path / "new.csv"), expected)
