"""What is drawn: numbers in the units of the data, averaged where there are many; pictures."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dmrnet.explore.drawing import drawing


def drawn(
    x: Any, clean: Any = None, mean: Any = 0.0, deviation: Any = 1.0, name: str = ""
) -> dict[str, Any]:
    x = np.asarray(x, np.float64)
    scale = (np.broadcast_to(np.asarray(one, float), (len(x),)) for one in (mean, deviation))
    return drawing(x, x if clean is None else np.asarray(clean, np.float64), *scale, name)


def pixels(found: dict[str, Any]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found["png"]))))


def test_bars_are_in_the_units_of_the_data() -> None:
    found = drawn([1.0, 2.0, np.nan])
    assert (found["as"], found["values"], found["unit"]) == ("bars", [1, 2, None], "")
    # Bars start at 0.
    assert (found["low"], found["high"]) == (0, 2)


def test_features_of_different_size_share_an_axis_in_deviations() -> None:
    found = drawn([3.0, 3000.0], mean=[1, 1000], deviation=[1, 1000])
    assert found["values"] == [2, 2]
    assert "deviations" in found["unit"]


def test_numbers_far_from_0_are_drawn_from_their_mean() -> None:
    found = drawn([1.7e9, 1.7e9 + 2], mean=1.7e9, deviation=1.0)
    assert found["values"] == [0, 2]
    assert "from the mean" in found["unit"]
    # Without a mean, rounding still tells them apart.
    assert drawn(np.array([[1.7e9, 1.7e9 + 2]]))["values"] == [[1.7e9, 1.7e9 + 2]]


def test_long_curves_are_averaged() -> None:
    x = np.stack([np.arange(900.0), np.full(900, 5.0)])
    found = drawn(x)
    assert [len(channel) for channel in found["values"]] == [300, 300]
    np.testing.assert_allclose(found["values"][0], x[0].reshape(300, 3).mean(1))
    assert set(found["values"][1]) == {5}
    assert "averaged to 300" in found["note"]


def test_pictures_have_the_range_of_the_clean_sample() -> None:
    clean = np.array([[[0.0, 1.0], [2.0, 4.0]]])
    np.testing.assert_array_equal(pixels(drawn(clean)), [[0, 64], [128, 255]])
    np.testing.assert_array_equal(pixels(drawn(clean + 2, clean)), [[128, 191], [255, 255]])
    colour = np.stack([clean[0], 0 * clean[0], clean[0]])
    assert pixels(drawn(colour)).shape == (2, 2, 3)


@pytest.mark.parametrize(
    ("shape", "size", "note"),
    [
        ((1, 600, 300), (256, 128), ""),
        ((4, 8, 8), (8, 8), "mean of 4 channels"),
        ((1, 5, 8, 9), (8, 9), "slice 3 of 5"),
        ((2, 5, 8, 9), (8, 9), "slice 3 of 5, mean of 2 channels"),
        ((40, 70), (40, 70), "rows are channels"),
    ],
)
def test_everything_else_becomes_a_picture(
    shape: tuple[int, ...], size: tuple[int, int], note: str
) -> None:
    found = drawn(np.random.default_rng(0).normal(size=shape))
    assert found["as"] == "picture"
    assert pixels(found).shape[:2] == size
    assert note in found["note"]


def test_the_first_channel_of_a_heat_map_is_at_the_bottom() -> None:
    x = np.zeros((10, 4))
    x[0] = 9.0
    image = pixels(drawn(x)).astype(int).sum(-1)
    assert (image[-1] > image[0]).all()
    assert (image[:-1] == image[0, 0]).all()
    # Spectrograms are recognised by the name; a photo is not turned over.
    np.testing.assert_array_equal(pixels(drawn(x[None], name="Speech 1")).sum(-1), image)
    assert pixels(drawn(x[None], name="photo"))[0].all()


def test_nothing_finite_is_drawn_as_nothing() -> None:
    assert drawn([np.nan, np.nan])["values"] == [None, None]
    assert drawn(np.full((1, 3, 3), np.nan))["as"] == "picture"
    constant = drawn(np.full((1, 4), 3e-6))
    assert (constant["low"], constant["values"]) == (3e-6, [[3e-6] * 4])
