"""Images of many sizes: resized as the setting says, or refused with that advice."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from dmrnet.api.samples import samples_of
from dmrnet.data.files.arrays.resize import parse_size, size_text, sized
from dmrnet.data.files.reading import read_split
from dmrnet.data.python.given import MultimodalDataset
from dmrnet.data.sets.arrays import Arrays
from dmrnet.data.sets.given import Given
from dmrnet.modalities import Modality, Task
from dmrnet.settings.paths import absolute

RNG = np.random.default_rng(0)
SIDES = RNG.integers(12, 20, 30)
IMAGES = [RNG.integers(0, 255, (3, side, side)).astype("u1") for side in SIDES]
TAB = RNG.normal(size=(30, 4))


def objects(items: list[object]) -> np.ndarray:
    out = np.empty(len(items), object)
    out[:] = items
    return out


@pytest.fixture
def path(tmp_path: Path) -> str:
    images = objects([None if row % 7 == 2 else image for row, image in enumerate(IMAGES)])
    np.savez(tmp_path / "many.npz", image=images, tab=TAB, y=np.arange(30) % 2)
    return str(tmp_path / "many.npz")


def test_without_a_size_they_are_refused_with_the_flag(path: str) -> None:
    with pytest.raises(ValueError, match=r"expected rows of one shape.*--data\.size image=32x32"):
        Arrays(path, path).raw(0)


@pytest.mark.parametrize("size", ["8x10", "image=8x10"])
def test_they_are_resized_as_told_in_files_and_python(path: str, size: str) -> None:
    train = Arrays(path, path, size=size).raw(0).train
    assert [m.shape for m in train.task.inputs] == [(3, 8, 10), (4,)]
    assert (~train.present[:, 0]).nonzero().flatten().tolist() == [2, 9, 16, 23]
    # Pillow resizes channels of floating point in the same way, antialiased.
    for row in (0, 5, 29):
        for channel in range(3):
            picture = Image.fromarray(IMAGES[row][channel].astype("f4"))
            expected = picture.resize((10, 8), Image.Resampling.BILINEAR)
            found = train.arrays["image"][row, channel]
            np.testing.assert_allclose(found, np.asarray(expected), atol=0.05)
    data = MultimodalDataset(
        {"image": IMAGES, "tab": TAB}, np.arange(30) % 2, size={"image": (8, 10)}
    )
    assert data.size == "image=8x10"
    again = read_split(data.subset([0, 5]), train.task, None)
    assert torch.equal(again.arrays["image"], train.arrays["image"][[0, 5]])
    # A later file of one other size is resized as well.
    np.savez(path, image=np.stack([image[:, :12, :12] for image in IMAGES]), tab=TAB)
    later = read_split(path, train.task, None, need_target=False, size=size)
    assert later.arrays["image"].shape == (30, 3, 8, 10)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 13])
def test_channels_stay_where_they_are(channels: int, last: bool) -> None:
    images = [RNG.normal(size=(channels, side, side + 1)) for side in SIDES]
    rows = objects([np.moveaxis(image, 0, -1) if last else image for image in images])
    done = sized("m", rows, {"": (9, 9)})
    assert {one.shape for one in done} == {(9, 9, channels) if last else (channels, 9, 9)}
    plain = sized("m", objects(images), {"": (9, 9)})
    for one, other in zip(done, plain, strict=True):
        np.testing.assert_array_equal(np.moveaxis(one, -1, 0) if last else one, other)


def test_sizes_are_no_paths(path: str) -> None:
    """A run keeps its settings with absolute paths: 8x10 became one, which is no size."""
    for settings in (Arrays(path, size="image=8x10"), Given(size="8x10")):
        assert absolute(settings).size == settings.size


def test_images_that_are_left_out_need_no_size() -> None:
    inputs, sizes = {"image": IMAGES[:3], "other": None}, {"image": 8, "other": 8}
    data = MultimodalDataset(inputs, size=sizes)
    assert repr(data[:2]) == "MultimodalDataset(2 samples; image (3, 8, 8) in 2; other in 0)"
    task = Task(tuple(Modality(name, "image", (3, 8, 8)) for name in sizes), ("no", "yes"))
    settings = SimpleNamespace(data=Given(size="image=8x8,other=8x8"))
    run = SimpleNamespace(task=task, settings=settings, standardiser=None)
    rows = [{"image": one} for one in IMAGES[:3]]
    for given in (inputs, {"image": IMAGES[:3]}, rows):
        found = samples_of(given, None, run)
        assert isinstance(found, MultimodalDataset)
        assert np.array_equal(found.read("image"), data.read("image"))


def test_what_are_no_images_of_one_kind(path: str) -> None:
    assert sized("tab", TAB, {"": (8, 8)}) is TAB
    assert sized("image", IMAGES, {"other": (8, 8)}) is IMAGES
    with pytest.raises(ValueError, match="modality tab: expected images to resize"):
        sized("tab", TAB, {"tab": (8, 8)})
    with pytest.raises(ValueError, match="as many channels each, got 1, 3; convert"):
        sized("m", objects([IMAGES[0], IMAGES[1][:1]]), {"m": (8, 8)})
    with pytest.raises(ValueError, match="of 2 and 3 axes"):
        sized("m", objects([IMAGES[0], IMAGES[1][0]]), {"m": (8, 8)})
    with pytest.raises(ValueError, match=r"size: .* no array 'imge'; did you mean 'image'"):
        Arrays(path, size="imge=8").raw(0)
    with pytest.raises(ValueError, match="size: no modality 'tap'; did you mean 'tab'"):
        MultimodalDataset({"tab": TAB}, size={"tap": 8})


def test_16_bits_keep_their_range() -> None:
    depth = (RNG.random((1, 14, 18)) * 4000 + 300).astype("u2")
    (one,) = sized("depth", objects([depth]), {"": (7, 9)})
    assert abs(float(one.mean()) - depth.mean()) < 50
    assert one.max() > 1000


@pytest.mark.parametrize("text", ["0", "a", "32x", "x32", "3.5", "32x32x3", (3,), [1, 2, 3], -1])
def test_sizes_that_are_none(text: object) -> None:
    with pytest.raises(ValueError, match="size: expected a side"):
        parse_size(text)


def test_sizes_are_read_and_written() -> None:
    for text in ("32x48", "a=32x48,b=16x16"):
        assert size_text(parse_size(text)) == text
    assert parse_size(None) == {}
    assert size_text({}) is None
