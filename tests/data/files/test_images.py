"""Images of one's own are read as the data set reads its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.data.made import cwfid as fields

from dmrnet.data.checks.shift import shift_notes
from dmrnet.data.dataset import ArrayDataset, Splits
from dmrnet.data.files.images import FileImages, image_layout
from dmrnet.data.published.preparation import prepare
from dmrnet.data.sets.images import Images
from dmrnet.data.sets.published.cwfid import CWFID


def read_images(path: str, splits: Splits, holes: tuple[str, ...] = ()) -> ArrayDataset:
    task, standardiser = splits.train.task, splits.standardiser
    images = FileImages(path, Images(""), task, standardiser, labelled=False)
    return images.unlabelled(task, standardiser, holes)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("cwfid")
    prepare("cwfid", [fields.make(folder / "source")], folder / "root")
    return str(folder / "root")


def write(path: Path, **arrays: np.ndarray) -> str:
    np.savez(path, **arrays)
    return str(path)


def test_they_are_standardised_as_those_of_the_training(root: str, tmp_path: Path) -> None:
    splits = CWFID(root, tile=32).load(0)
    planes = fields.planes()[[number - 1 for number in fields.TEST]]
    assert splits.standardiser is not None
    ways = {
        "plain": planes[:, 0],
        "first": planes[:, :1],
        "last": planes[:, 0, :, :, None],
    }
    expected = splits.test.take(torch.arange(4)).inputs
    for name, red in ways.items():
        path = write(tmp_path / f"{name}.npz", nir=planes[:, 1], red=red, samples=np.arange(4))
        found = read_images(path, splits)
        assert found.task.modalities == ("red", "nir")
        for modality, values in found.take(torch.arange(4)).inputs.items():
            torch.testing.assert_close(values, expected[modality], rtol=1e-5, atol=1e-6)
        assert found.samples == ("0", "1", "2", "3")
        assert not found.notes


def test_another_size_and_what_images_lack(root: str, tmp_path: Path) -> None:
    splits = CWFID(root, tile=32).load(0)
    planes = fields.planes()[:3, :, :33, :47]
    present = np.array([[True, True], [False, True], [True, False]])
    path = write(tmp_path / "some.npz", red=planes[:, 0], nir=planes[:, 1], present=present)
    found = read_images(path, splits)
    assert found.take(torch.arange(3)).inputs["red"].shape == (3, 1, 33, 47)
    assert np.array_equal(found.present, present)
    assert not found.arrays["nir"][2].any()
    path = write(tmp_path / "alone.npz", nir=planes[:, 1])
    assert read_images(path, splits).present.tolist() == [[False, True]] * 3


def test_images_in_another_unit_are_told(root: str, tmp_path: Path) -> None:
    splits = CWFID(root, tile=32).load(0)
    planes = fields.planes()
    path = write(tmp_path / "unit.npz", red=planes[:, 0] / 255, nir=planes[:, 1])
    found = read_images(path, splits)
    (note,) = shift_notes(found, splits.standardiser)
    assert note.startswith("red: expected values as in training")
    assert f"mean {float(splits.standardiser.mean['red']):.3g}" in note


def test_a_hole_of_raw_depth_stays_zero(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    from tests.data.made import nyuv2 as rooms

    from dmrnet.data.sets.published.nyuv2 import NYUv2

    prepare("nyuv2", [rooms.make(tmp_path / "source")], tmp_path / "root")
    content, rows = rooms.content(), [number - 1 for number in rooms.TESTED]
    for depth, key in (("refined", "depths"), ("raw", "rawDepths")):
        settings = NYUv2(str(tmp_path / "root"), depth, val_share=0.3)
        splits = settings.load(0)
        millimetres = np.rint(content[key][rows].astype(np.float64) * 1000)
        colours = content["images"][rows].transpose(0, 2, 3, 1)
        path = write(tmp_path / f"{depth}.npz", rgb=colours, depth=millimetres)
        found = read_images(path, splits, settings.holes)
        expected = splits.test.take(torch.arange(4)).inputs
        for modality, values in found.take(torch.arange(4)).inputs.items():
            torch.testing.assert_close(values, expected[modality], rtol=1e-5, atol=1e-5)
        holes = torch.from_numpy(millimetres == 0)
        assert holes.any() == (depth == "raw")
        assert not found.arrays["depth"][:, 0][holes].any()


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"red": (2, 40, 50), "nir": (2, 50, 40)}, "one size for all modalities, got red 40 x 50"),
        ({"red": (2, 3, 40, 50)}, r"modality red: expected images \(n, 1, H, W\) or \(n, H, W, 1"),
        ({"red": (2, 40)}, r"or \(n, H, W\), got \(n, 40\)"),
        ({"blue": (2, 40, 50)}, "training had no modality 'blue'"),
    ],
)
def test_what_is_no_such_image_is_refused(
    root: str, tmp_path: Path, arrays: dict[str, tuple[int, ...]], said: str
) -> None:
    splits = CWFID(root, tile=32).load(0)
    filled = {name: np.ones(shape) for name, shape in arrays.items()}
    with pytest.raises(ValueError, match=said):
        read_images(write(tmp_path / "a.npz", **filled), splits)


def test_channels_may_come_first_or_last() -> None:
    assert image_layout("", "rgb", (3, 40, 50), 3, None) == ((3, 40, 50), False)
    assert image_layout("", "rgb", (40, 50, 3), 3, None) == ((3, 40, 50), True)
    assert image_layout("", "rgb", (3, 3, 3), 3, None) == ((3, 3, 3), False)
    # Labels say what the height and width are.
    assert image_layout("", "many", (40, 50, 7), None, (40, 50)) == ((7, 40, 50), True)
    assert image_layout("", "many", (7, 40, 50), None, (40, 50)) == ((7, 40, 50), False)
    with pytest.raises(ValueError, match=r"images \(n, C, 40, 50\) or .* got \(n, 7, 40, 51\)"):
        image_layout("", "many", (7, 40, 51), None, (40, 50))
