"""nyuv2, from a made file as MATLAB writes the published one."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from colorsys import rgb_to_hsv
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat
from sklearn.utils.class_weight import compute_class_weight
from tests.data.contract import DenseContract, together
from tests.data.made import nyuv2 as made
from torchvision.tv_tensors import Mask

from dmrnet.data.dense import median_frequency
from dmrnet.data.files.cache import read_cache
from dmrnet.data.inputs.transforms import Transform
from dmrnet.data.published.preparation import prepare
from dmrnet.data.sets.published.nyuv2 import CLASSES, DEVIATION, MEAN, NYUv2, held_scenes
from dmrnet.methods import build_method
from dmrnet.nn.networks.network import Network


@cache
def published() -> Path:
    """Return the made files; not to be changed."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, True)
    return made.make(folder)


@cache
def prepared() -> str:
    root = published() / "root"
    prepare("nyuv2", [published()], root)
    return str(root)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The made files, to be damaged."""
    shutil.copytree(published(), tmp_path / "source", ignore=shutil.ignore_patterns("root"))
    return tmp_path / "source"


class TestNYUv2(DenseContract):
    augment = False

    def splits(self, seed: int):
        return NYUv2(prepared(), val_share=0.3, augment=self.augment).load(seed)

    def test_training_rows_are_standardised(self, loaded) -> None:
        """By published numbers: undone by these, inputs are whole numbers of the old scale."""
        inputs = together(type(self), "train").inputs
        mean = torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1) * 255
        deviation = torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1) * 255
        for values, most in (
            (inputs["rgb"] * deviation + mean, 255),
            (inputs["depth"] * DEVIATION + MEAN, 10_000),
        ):
            assert (values - values.round()).abs().max() < 0.01
            assert -0.01 < values.min() < values.max() < most + 0.01


class TestNYUv2Augmented(TestNYUv2):
    augment = True


def test_the_cache_holds_what_the_file_holds() -> None:
    arrays, _ = read_cache("nyuv2", prepared(), 1)
    content, mapping = made.content(), made.mapping()
    assert np.array_equal(arrays["rgb"], content["images"])
    for ours, theirs in (("depth", "depths"), ("depth_raw", "rawDepths")):
        assert arrays[ours].dtype == np.uint16
        assert np.abs(arrays[ours][:, 0] - content[theirs].astype(np.float64) * 1000).max() <= 0.51
    for image, fine in zip(arrays["labels"], content["labels"], strict=True):
        expected = [[0 if label == 0 else mapping[label - 1] for label in row] for row in fine]
        assert np.array_equal(image[0], expected)
    assert (arrays["test"].nonzero()[0] + 1).tolist() == list(made.TESTED)
    assert arrays["scene"].tolist() == made.SCENES
    for image, pixels in zip(arrays["labels"], arrays["pixels"], strict=True):
        assert pixels.tolist() == [(image == label).sum() for label in range(41)]


@pytest.mark.parametrize("depth", ["refined", "raw"])
def test_inputs_are_normalised_and_void_is_minus_one(depth: str) -> None:
    splits = NYUv2(prepared(), depth, augment=False).load(0)
    assert len(CLASSES) == 40
    assert splits.train.task.dense
    content, mapping = made.content(), made.mapping()
    for part in splits.parts().values():
        batch = part.take(torch.arange(len(part)))
        for row, sample in enumerate(part.samples):
            place = int(sample.split()[1]) - 1
            metres = content["depths" if depth == "refined" else "rawDepths"][place]
            expected = (np.rint(metres.astype(np.float64) * 1000) - MEAN) / DEVIATION
            if depth == "raw":
                expected[metres == 0] = 0
            found = batch.inputs["depth"][row, 0].numpy()
            np.testing.assert_allclose(found, expected, atol=2e-3)
            red = content["images"][place][0]
            np.testing.assert_allclose(
                batch.inputs["rgb"][row, 0], (red / 255 - 0.485) / 0.229, atol=1e-5
            )
            fine = content["labels"][place].astype(int)
            coarse = np.where(fine == 0, -1, mapping[fine - 1] - 1)
            assert np.array_equal(batch.target[row], coarse)


def test_validation_is_whole_scenes_of_the_training_images() -> None:
    scenes = dict(enumerate(made.SCENES, 1))
    seen = set()
    for seed in range(4):
        splits = NYUv2(prepared(), val_share=0.3).load(seed)
        numbers = [{int(s.split()[1]) for s in part.samples} for part in splits.parts().values()]
        assert numbers[2] == set(made.TESTED)
        assert not numbers[0] & numbers[1]
        assert numbers[0] | numbers[1] == set(range(1, 15)) - set(made.TESTED)
        assert not {scenes[n] for n in numbers[0]} & {scenes[n] for n in numbers[1]}
        assert 3 <= len(numbers[1]) <= 4
        assert "share 0 scenes" in splits.notes[0]
        seen.add(frozenset(numbers[1]))
    assert len(seen) > 1
    one, other = (NYUv2(prepared(), split_seed=1).load(seed) for seed in (0, 5))
    assert one.val.samples == other.val.samples
    assert one.val.fingerprint() == other.val.fingerprint()
    with pytest.raises(ValueError, match="leaves 0 images"):
        held_scenes(["", ""], torch.zeros(2, dtype=torch.bool), 1.0, 0)


def test_class_weights_are_median_frequencies_of_the_training_rows() -> None:
    splits = NYUv2(prepared(), val_share=0.3, augment=False).load(0)
    labels = splits.train.take(torch.arange(len(splits.train))).target.numpy()
    frequency = []
    for name in range(40):
        images = [image for image in labels if (image == name).any()]
        pixels = sum((image == name).sum() for image in images)
        labelled = sum((image >= 0).sum() for image in images)
        frequency.append(pixels / labelled if images else np.nan)
    expected = np.nan_to_num(np.nanmedian(frequency) / frequency)
    np.testing.assert_allclose(splits.train.task.class_weights, expected, rtol=1e-5)
    # Where every image holds every class, they are balanced weights up to a factor.
    counts = torch.tensor([[10, 20, 70], [30, 20, 50]])
    truth = np.repeat(np.arange(3), counts.sum(0))
    balanced = compute_class_weight("balanced", classes=np.arange(3), y=truth)
    ratio = median_frequency(counts).numpy() / balanced
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)


def test_augmentation_moves_inputs_and_labels_alike() -> None:
    splits = NYUv2(prepared()).load(0)
    rows = torch.arange(3)
    one, again, other = (splits.train.take(rows, epoch) for epoch in (1, 1, 2))
    assert torch.equal(one.target, again.target)
    assert torch.equal(one.inputs["rgb"], again.inputs["rgb"])
    assert not torch.equal(one.inputs["rgb"], other.inputs["rgb"])
    assert one.target.shape == (3, made.HEIGHT, made.WIDTH)
    # Depth that says the label: after any change, it still does.
    view = splits.train.view
    labels = torch.randint(0, 41, (2, 1, 64, 96), dtype=torch.uint8)
    raw = {
        "rgb": torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8),
        "depth": labels.int() * 100,
        "labels": labels,
    }
    seen = view(raw, torch.tensor([5, 6]), 0)
    numbers = (seen["depth"][:, 0] * DEVIATION + MEAN) / 100 - 1
    assert torch.equal(numbers.round().long(), seen["labels"])
    still = replace(view, transform=None)(raw, torch.tensor([5, 6]), 0)
    assert not torch.equal(seen["labels"], still["labels"])


def drawn(change: Transform, colour: tuple[int, int, int], number: int) -> dict[str, np.ndarray]:
    """Read off what was drawn: of a sample of one colour whose depth and labels say the place.

    Returns:
        float64 ``(number,)`` each: the factor of enlarging along both sides, whether it was
        mirrored, where the window begins, as a share of the places where it can, and hue,
        saturation and value, this from 0 to 255.
    """
    height, width = made.HEIGHT, made.WIDTH
    sample = {
        "rgb": torch.tensor(colour, dtype=torch.uint8).reshape(3, 1, 1).expand(3, height, width),
        "depth": Mask(torch.arange(float(width)).expand(1, height, width)),
        "labels": Mask(torch.arange(height).byte().reshape(1, -1, 1).expand(1, -1, width)),
    }
    found = []
    for seed in range(number):
        seen = change(sample, torch.Generator().manual_seed(seed))
        assert {tuple(values.shape[1:]) for values in seen.values()} == {(height, width)}
        rgb = seen["rgb"].flatten(1)
        assert (rgb == rgb[:, :1]).all(), "one colour stays one colour"
        left, right = sorted(seen["depth"][0, 0, [0, -1]].tolist())
        top, bottom = seen["labels"][0, [0, -1], 0].tolist()
        hue, saturation, value = rgb_to_hsv(*(rgb[:, 0] / 255).tolist())
        found.append(
            {
                "wider": width / (right - left + 1),
                "higher": height / (bottom - top + 1),
                "mirrored": float(seen["depth"][0, 0, 0] > seen["depth"][0, 0, -1]),
                "left": left / max(1.0, width - (right - left + 1)),
                "hue": hue,
                "saturation": saturation,
                "value": 255 * value,
            }
        )
    return {key: np.array([one[key] for one in found]) for key in found[0]}


def test_augmentation_is_as_strong_as_published() -> None:
    splits = NYUv2(prepared()).load(0)
    assert splits.val.view.transform is None
    assert splits.test.view.transform is None
    change = splits.train.view.transform
    colour = (160, 33, 217)
    hue, saturation, value = rgb_to_hsv(*(c / 255 for c in colour))
    found = drawn(change, colour, 500)
    # Each evenly from the first number to the second, as far as whole pixels and colours tell.
    for name, low, high, exact in (
        ("wider", 1.0, 1.4, 0.02),
        ("higher", 1.0, 1.4, 0.03),
        ("hue", 0.9 * hue, 1.1 * hue, 0.003),
        ("saturation", 0.9 * saturation, 1.1 * saturation, 0.006),
        ("value", 255 * value - 25, 255 * value + 25, 0.51),
    ):
        values, tenth = found[name], (high - low) / 10
        assert low - exact <= values.min() < low + exact + tenth / 4, name
        assert high - exact - tenth / 4 < values.max() <= high + exact, name
        shares = np.histogram(values, np.linspace(low, high, 5))[0] / len(values)
        assert np.abs(shares - 0.25).max() < 0.06, (name, shares)
    # One factor for both sides; no other two have to do with each other.
    assert np.abs(found["wider"] - found["higher"]).max() < 0.06
    free = ("wider", "mirrored", "hue", "saturation", "value")
    related = np.corrcoef([found[name] for name in free]) - np.eye(len(free))
    assert np.abs(related).max() < 0.12
    assert abs(found["mirrored"].mean() - 0.5) < 0.05
    left = found["left"][found["wider"] > 1.2]
    assert left.min() == 0
    assert left.max() > 0.95
    assert abs(left.mean() - 0.5) < 0.05
    # What is added to a dark colour is what is added to a bright one: it is no factor.
    dark = drawn(change, (80, 17, 108), 40)
    moved = dark["value"] - 108
    np.testing.assert_allclose(moved, found["value"][:40] - 217, atol=1.01)


def test_a_damaged_image_is_named_and_nothing_shifts(copy: Path, tmp_path: Path) -> None:
    import h5py

    path = copy / "nyu_depth_v2_labeled.mat"
    with h5py.File(path, "r+") as file:
        file["depths"][4, 10, 10] = np.nan
        file["labels"][8, 0, 0] = 900
    with pytest.raises(ValueError, match=r"1 depth: image 5 .*1 labels: image 9 "):
        prepare("nyuv2", [copy], tmp_path / "root")
    prepare("nyuv2", [copy], tmp_path / "root", bad="skip")
    whole, _ = read_cache("nyuv2", prepared(), 1)
    found, _ = read_cache("nyuv2", str(tmp_path / "root"), 1)
    kept = [row for row in range(made.IMAGES) if row not in (4, 8)]
    for key in whole:
        assert np.array_equal(found[key], whole[key][kept]), key


def test_labels_mapped_otherwise_are_not_taken_over(copy: Path, tmp_path: Path) -> None:
    import h5py

    right = (copy / "classMapping40.mat").read_bytes()
    savemat(copy / "classMapping40.mat", {"mapClass": made.mapping()[None, ::-1]})
    with h5py.File(copy / "nyu_depth_v2_labeled.mat", "r+") as file:
        file["depths"][13, 10, 10] = np.nan
    with pytest.raises(ValueError, match="1 depth: image 14 "):
        prepare("nyuv2", [copy], tmp_path / "root")
    (copy / "classMapping40.mat").write_bytes(right)
    prepare("nyuv2", [copy], tmp_path / "root", bad="skip")
    found, _ = read_cache("nyuv2", str(tmp_path / "root"), 1)
    assert np.array_equal(found["labels"], read_cache("nyuv2", prepared(), 1)[0]["labels"][:13])


def test_files_that_are_none_are_refused(copy: Path, tmp_path: Path) -> None:
    (copy / "classMapping40.mat").rename(copy / "mapping.mat")
    with pytest.raises(FileNotFoundError, match=r"found no classMapping40\.mat"):
        prepare("nyuv2", [copy], tmp_path / "root")
    savemat(copy / "classMapping40.mat", {"mapClass": np.ones((1, 13))})
    with pytest.raises(ValueError, match="expected 894 numbers from 1 to 40, got 13"):
        prepare("nyuv2", [copy], tmp_path / "root")
    (copy / "mapping.mat").replace(copy / "classMapping40.mat")
    # Counted from 0 in place of 1, as a slip would have it.
    savemat(copy / "splits.mat", {"trainNdxs": np.arange(10), "testNdxs": np.arange(10, 14)})
    with pytest.raises(ValueError, match="expected each image from 1 to 14 once"):
        prepare("nyuv2", [copy], tmp_path / "root")
    (copy / "nyu_depth_v2_labeled.mat").write_bytes(b"MATLAB 5.0 MAT-file, but not this one")
    with pytest.raises(ValueError, match="not a readable HDF5 file"):
        prepare("nyuv2", [copy], tmp_path / "root")


def test_a_network_for_every_pixel_takes_a_step() -> None:
    splits = NYUv2(prepared()).load(0)
    network = Network(family="esanet", layout="r18", stem=4)
    method = build_method("dmrnet", splits.train.task, network=network)
    batch = splits.train.take(torch.arange(2))
    mask = torch.tensor([[True, False], [True, True]])
    batch = batch.masked(mask, batch.present, splits.train.task.modalities)
    loss = method.training_loss(batch)
    loss.total.backward()
    assert loss.total.isfinite()
