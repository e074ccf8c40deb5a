"""Pictures of any number of bits keep the range of their values."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from dmrnet.data.files.media.decoding import opened_picture, pixel_values, resized

RNG = np.random.default_rng(0)
DEPTH = (RNG.random((48, 40)) * 4000 + 300).astype("u2")


def stored(picture: Image.Image, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4"])
def test_values_are_those_of_the_file(dtype: str, kind: str) -> None:
    if kind == "PNG" and dtype in ("i4", "f4"):
        pytest.skip("PNG has no such pixels")
    values = (DEPTH // 20 if dtype == "u1" else DEPTH).astype(dtype)
    with opened_picture(stored(Image.fromarray(values), kind)) as picture:
        found = pixel_values(picture)
        small = pixel_values(picture, (24, 20))
    assert found.dtype == small.dtype == values.dtype
    np.testing.assert_array_equal(found, values[None])
    # Halving averages: means and range stay.
    assert small.shape == (1, 24, 20)
    assert abs(float(small.mean()) - float(values.mean())) < 0.01 * float(values.mean())
    assert values.min() <= small.min() < small.max() <= values.max()


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("L", 1), ("RGB", 3), ("RGBA", 4), ("LA", 4), ("P", 3), ("CMYK", 3)],
)
def test_pictures_of_8_bits(mode: str, channels: int) -> None:
    picture = Image.fromarray(RNG.integers(0, 255, (8, 9, 3)).astype("u1")).convert(mode)
    found = pixel_values(picture)
    assert (found.dtype, found.shape) == (np.uint8, (channels, 8, 9))
    as_one = picture.convert("L" if channels == 1 else "RGB")
    np.testing.assert_array_equal(found[0], np.asarray(as_one).reshape(8, 9, -1)[..., 0])


def test_a_photo_taken_on_its_side_is_turned_upright() -> None:
    upright = np.zeros((6, 4, 3), np.uint8)
    upright[0] = 200
    exif = Image.Exif()
    exif[0x0112] = 6  # To be shown turned clockwise by a quarter.
    stream = io.BytesIO()
    Image.fromarray(np.rot90(upright).copy()).save(stream, "PNG", exif=exif)
    with opened_picture(stream.getvalue()) as picture:
        np.testing.assert_array_equal(pixel_values(picture), upright.transpose(2, 0, 1))


def test_rgb_of_8_bits_refuses_what_it_would_cut_off() -> None:
    with (
        pytest.raises(ValueError, match="has more than 8 bits a pixel"),
        opened_picture(stored(Image.fromarray(DEPTH))) as picture,
    ):
        resized(picture, 8, 8)
