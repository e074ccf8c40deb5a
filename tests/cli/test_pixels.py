"""Data whose every pixel has a class, through the command line."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from tests.data.made import cwfid as made

from dmrnet.cli.predict.files import file_names

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Cli


@pytest.fixture
def data(tmp_path: Path, cli: Cli) -> list[str]:
    """Prepare made images; return the flags that name them."""
    source = made.make(tmp_path / "source")
    said = cli("data", "prepare", "cwfid", "--source", source, "--root", tmp_path / "root")
    assert said.code == 0
    assert "image 8 published for both training and testing" in said.out
    return ["--data.root", str(tmp_path / "root")]


def test_classes_are_counted_in_pixels(data: list[str], cli: Cli) -> None:
    said = cli("data", "show", "cwfid", *data, "--data.tile", "32")
    assert said.code == 0
    lines = {line.split()[0]: line.split() for line in said.out.splitlines() if line.strip()}
    assert "pixels of class" in said.out
    tested = made.labels()[[number - 1 for number in made.TEST]]
    assert lines["crop"][-1] == str((tested == 1).sum())
    said = cli("data", "export", "cwfid", *data, "--data.tile", "32", "--out", "out")
    assert said.code == 2
    assert "cwfid has a class for every pixel" in said.err


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_a_run_from_fit_to_report(data: list[str], cli: Cli, tmp_path: Path) -> None:
    small = ["--data.tile", "32", "--data.tiles", "4", "--method.network.width", "16"]
    fit = ["fit", "--data", "cwfid", *data, *small, "--method", "sf-md", "--threads", "1"]
    said = cli(*fit, "--max-epochs", "1", "--out", tmp_path / "run")
    assert said.code == 0
    assert "mIoU on val" in said.out
    said = cli("evaluate", tmp_path / "run", "--tile", "288")
    assert said.code == 0
    assert "mIoU" in said.out
    said = cli("evaluate", tmp_path / "run", "--tile", "32")
    assert said.code == 2
    assert "expected tiles of more than 256 pixels a side" in said.err
    label_maps(cli, tmp_path)
    said = cli("report", tmp_path / "run", "--out", tmp_path / "report")
    assert said.code == 0
    assert "Label maps of test image 0" in (tmp_path / "report" / "report.html").read_text()


def label_maps(cli: Cli, folder: Path) -> None:
    """Predict the run's own images, then a file's, into a folder and into one file."""
    with np.load(folder / "run" / "predictions.npz") as kept:
        counts = kept["confusion"].sum(2)
    predict = ["predict", folder / "run", "--split", "test", "--out"]
    for place, names in enumerate(("red", "nir", "red+nir")):
        said = cli(*predict, folder / names, "--combination", names)
        assert said.code == 0, said.err
        assert said.last == f"4 images predicted: {folder / names}"
        listed = list(csv.DictReader((folder / names / "images.csv").read_text().splitlines()))
        assert [row["sample"] for row in listed] == [f"image {number}" for number in made.TEST]
        for image, row in enumerate(listed):
            assert row["seen"] == names
            with Image.open(folder / names / row["file"]) as png:
                assert (png.mode, png.size) == ("P", (made.WIDTH, made.HEIGHT))
                labels = np.asarray(png)
            found = np.bincount(labels.ravel(), minlength=3)
            assert found.tolist() == counts[place, image].tolist()
            assert float(row["share(soil)"]) == pytest.approx(found[0] / labels.size, rel=1e-4)
    classes = list(csv.DictReader((folder / "red" / "classes.csv").read_text().splitlines()))
    assert [(row["value"], row["class"]) for row in classes] == [
        ("0", "soil"),
        ("1", "crop"),
        ("2", "weed"),
    ]
    np.savez(folder / "own.npz", nir=made.planes()[:2, 1, :50], samples=["süd/1", "nord"])
    given = ["predict", folder / "run", "--input", folder / "own.npz"]
    assert cli(*given, "--out", folder / "maps.npz").code == 0
    with np.load(folder / "maps.npz") as kept:
        assert kept["predicted"].shape == (2, 50, made.WIDTH)
        assert kept["seen"].tolist() == [[False, True]] * 2
        assert kept["sample"].tolist() == ["süd/1", "nord"]
    assert cli(*given, "--out", folder / "maps").code == 0
    again = cli(*given, "--out", folder / "maps")
    assert (again.code, "classes.csv exists" in again.err) == (2, True)
    assert cli(*given, "--out", folder / "maps", "--overwrite").code == 0
    assert (folder / "maps" / "süd_1.png").is_file()
    for out, message in (
        ([], "--out DIR"),
        (["--out", folder / "maps.csv"], "expected a folder for PNGs"),
        (["--out", folder / "new.npz", "--combination", "red"], "none among 2"),
        (["--out", folder / "own.npz", "--overwrite"], "is the file that is read"),
    ):
        said = cli(*given, *out)
        assert said.code == 2
        assert message in said.err
    said = cli("evaluate", folder / "run", "--test", folder / "own.npz")
    assert said.code == 2
    assert "dmrnet predict makes label maps" in said.err


def test_names_of_files_are_all_different() -> None:
    assert file_names(["A", "a", "b"]) == ["0-A.png", "1-a.png", "b.png"]
    # What is put in front of one may be the name of another.
    assert file_names(["0-a", "a", "A"]) == ["0-a.png", "1-a.png", "2-A.png"]
    assert file_names(["1-a", "a", "A"]) == ["0-1-a.png", "1-a.png", "2-A.png"]
    assert file_names(["../../etc", "..", ""]) == ["etc.png", "1-.png", "2-.png"]
    assert len(file_names(["x" * 300])[0]) < 100


def test_images_of_ones_own_from_fit_to_label_maps(cli: Cli, tmp_path: Path) -> None:
    planes, labels = made.planes(), made.labels().astype(np.int16)
    labels[:, :4] = -1
    for name, rows in (("train", slice(0, 7)), ("test", slice(7, None))):
        path = tmp_path / f"{name}.npz"
        np.savez(path, red=planes[rows, 0], nir=planes[rows, 1], y=labels[rows])
    data = ["--data", "images", "--data.train", tmp_path / "train.npz"]
    small = ["--data.tile", "32", "--data.tiles", "4", "--method.network.width", "16"]
    names = ["--data.classes", "soil,crop,weed", "--data.test", tmp_path / "test.npz"]
    said = cli("data", "show", "images", *data[2:], *names, *small[:4])
    assert said.code == 0, said.err
    assert "pixels of class" in said.out
    quick = ["--method", "sf-md", "--max-epochs", "1", "--threads", "1"]
    run = tmp_path / "run"
    assert cli("fit", *data, *names, *small, *quick, "--out", run).code == 0
    assert cli("evaluate", run).code == 0
    rows = (run / "results.jsonl").read_text()
    assert '"metric": "iou/weed"' in rows
    # Another file of another size and with one modality, then the run's own, by name.
    np.savez(tmp_path / "other.npz", nir=planes[4:, 1, :50], y=labels[4:, :50])
    assert cli("evaluate", run, "--test", tmp_path / "other.npz").code == 0
    with np.load(run / "predictions.npz") as kept:
        assert kept["scored"].sum(1).tolist() == [0, 5, 0]
        assert kept["confusion"][1].sum() == (labels[4:, :50] >= 0).sum()
    assert cli("evaluate", run, "--test", tmp_path / "test.npz").code == 0
    assert (run / "results.jsonl").read_text() == rows
    given = ["--input", tmp_path / "test.npz", "--out", tmp_path / "maps.npz"]
    assert cli("predict", run, *given, "--combination", "nir").code == 0
    with np.load(tmp_path / "maps.npz") as maps, np.load(run / "predictions.npz") as kept:
        counts = np.zeros((3, 3), dtype=int)
        known = labels[7:] >= 0
        np.add.at(counts, (labels[7:][known], maps["predicted"][known]), 1)
        assert maps["classes"].tolist() == ["soil", "crop", "weed"]
        assert np.abs(counts - kept["confusion"][1].sum(0)).sum() <= 2
    assert cli("report", run, "--out", tmp_path / "report").code == 0
    (tmp_path / "test.npz").unlink()
    said = cli("evaluate", run)
    assert said.code == 2
    assert "name the file as test (--test FILE)" in said.err
