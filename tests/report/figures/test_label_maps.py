"""Label maps in the report, compared pixel by pixel."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from tests.report.conftest import write_run

from dmrnet.report import build_report
from dmrnet.report.figures.label_maps import SIDE, palette, subsampled
from dmrnet.report.records.predictions import NO_CLASS, read_label_maps

pytestmark = pytest.mark.usefixtures("no_png", "maps_alone")

NAMES = ("red", "nir", "red+nir")


@pytest.fixture
def maps_alone(monkeypatch):
    """Draw no other figure."""
    for name in ("score_figures", "variance_figures"):
        monkeypatch.setattr(f"dmrnet.report.pages.section.{name}", lambda *_: [])


def maps_of(seed: int, height: int = 30, width: int = 40, **more):
    truth = np.random.default_rng(99).integers(0, 3, (2, height, width)).astype(np.uint8)
    truth[:, :4] = NO_CLASS
    draw = np.random.default_rng(seed)
    return {
        "index": np.array([3, 10]),
        "combination": np.array(NAMES),
        "classes": np.array(["soil", "crop", "weed <b>"]),
        "truth": truth,
        "predicted": draw.integers(0, 3, (3, 2, height, width)).astype(np.uint8),
    } | more


@pytest.fixture
def runs(tmp_path):
    for method in ("sf-md", "dmr"):
        for seed in (0, 1):
            run = write_run(
                tmp_path / "runs",
                method,
                seed,
                dataset="cwfid",
                modalities=("red", "nir"),
                metric="miou",
            )
            np.savez_compressed(run / "pictures.npz", **maps_of(seed + 10 * (method == "dmr")))
    return tmp_path / "runs"


def pictures_in(svg: str) -> list[np.ndarray]:
    """Return the embedded pictures in order."""
    found = []
    for data in re.findall(r'href="data:image/png;base64,([^"]+)"', svg):
        picture = Image.open(io.BytesIO(base64.b64decode(data.replace("\n", ""))))
        found.append(np.asarray(picture.convert("RGB")))
    return found


def coloured(labels: np.ndarray) -> np.ndarray:
    places = np.where(labels == NO_CLASS, 3, labels)
    return (palette(3)[places] * 255).round().astype(np.uint8)


def same_up_to_flip(one: np.ndarray, other: np.ndarray) -> bool:
    """Compare pictures; matplotlib may store them upside down."""
    return one.shape == other.shape and any(
        np.array_equal(one, way) for way in (other, other[::-1])
    )


def test_each_system_is_shown_next_to_the_truth(runs, tmp_path) -> None:
    report = build_report([runs], tmp_path / "out")
    page = report.page.read_text()
    drawn = sorted(path for path in report.figures if "-maps-" in path.name)
    assert [path.suffix for path in drawn] == [".png", ".svg"] * 2
    assert "img-src data:" in page
    assert "weed &lt;b&gt;" in page
    for place, number in enumerate((3, 10)):
        assert f"Label maps of test image {number}" in page
        assert f"Label maps of test image {number}" in report.markdown.read_text()
        svg = drawn[2 * place + 1].read_text()
        # The lowest seed of each system; the truth once.
        wanted = [maps_of(0)["truth"][place]]
        for start in (0, 10):
            wanted += [maps_of(start)["predicted"][k, place] for k in range(3)]
        found = pictures_in(svg)
        assert len(found) == 7
        for labels in wanted:
            assert any(same_up_to_flip(picture, coloured(labels)) for picture in found)


def test_maps_of_other_images_are_left_out(runs, tmp_path) -> None:
    for path in runs.rglob("*dmr-best-0/pictures.npz"):
        other = maps_of(10)
        other["truth"] = (other["truth"] + 1) % 3
        np.savez(path, **other)
    report = build_report([runs], tmp_path / "out")
    svg = next(path for path in report.figures if path.name.endswith("maps-1.svg")).read_text()
    assert len(pictures_in(svg)) == 4


def test_nothing_is_drawn_without_maps_or_for_validation(runs, tmp_path, no_pictures) -> None:
    report = build_report([runs], tmp_path / "val", split="val")
    assert not [path for path in report.figures if "-maps-" in path.name]
    for path in runs.rglob("pictures.npz"):
        path.unlink()
    report = build_report([runs], tmp_path / "none")
    assert not [path for path in report.figures if "-maps-" in path.name]


def test_inputs_are_shown_if_they_are_kept(runs, tmp_path) -> None:
    draw = np.random.default_rng(5)
    colour = draw.integers(0, 256, (2, 3, 30, 40)).astype(np.uint8)
    for path in runs.rglob("pictures.npz"):
        depth = colour[:, :1]
        np.savez(path, **maps_of(0, **{"input/rgb": colour, "input/depth": depth}))
    report = build_report([runs], tmp_path / "out")
    svg = next(path for path in report.figures if path.name.endswith("maps-1.svg")).read_text()
    found = pictures_in(svg)
    assert len(found) == 9
    expected = colour[0].transpose(1, 2, 0)
    assert any(same_up_to_flip(picture, expected) for picture in found)


def test_large_maps_are_subsampled_and_damaged_ones_named(runs) -> None:
    whole = np.arange(966 * 1296).reshape(966, 1296)
    small = subsampled(whole)
    assert max(small.shape) <= SIDE
    assert set(small.ravel()) <= set(whole.ravel())
    path = next(runs.rglob("pictures.npz"))
    np.savez(path, **maps_of(0, predicted=np.zeros((3, 2, 4, 4), dtype=np.uint8)))
    with pytest.raises(
        ValueError, match=r"pictures\.npz: expected predicted maps \(3, 2, 30, 40\)"
    ):
        read_label_maps(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match="expected label maps as dmrnet writes them"):
        read_label_maps(path)
    assert len(np.unique(palette(40).round(3), axis=0)) == 41
