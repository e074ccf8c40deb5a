"""Images of many sizes, resized to the one that settings name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from dmrnet.data.files.arrays.layout import CHANNELS, guess_layout
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.arrays.objects import as_array

Sizes = Mapping[str, tuple[int, int]]
"""Height and width of images by modality; the name ``""`` stands for all others."""


def parse_size(value: Any) -> dict[str, tuple[int, int]]:  # noqa: ANN401
    """Return the sizes of a setting.

    Args:
        value: One size, or sizes by modality; a size is a side, ``HEIGHTxWIDTH``, or a pair.

    Raises:
        ValueError: If it is none.

    >>> parse_size("32"), parse_size("camera=32x48,depth=16"), parse_size({"ir": (8, 9)})
    ({'': (32, 32)}, {'camera': (32, 48), 'depth': (16, 16)}, {'ir': (8, 9)})
    """
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return {name: _pair(one) for name, one in value.items()}
    if isinstance(value, str) and "=" in value:
        pairs = [part.strip().rpartition("=") for part in value.split(",")]
        return {name: _pair(size) for name, _, size in pairs}
    return {"": _pair(value)}


def _pair(value: Any) -> tuple[int, int]:  # noqa: ANN401
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+)(?:x(\d+))?", value.strip())):
        value = (int(match[1]), int(match[2] or match[1]))
    pair = (value, value) if isinstance(value, int) else value
    if (
        isinstance(pair, tuple | list)
        and len(pair) == 2
        and all(isinstance(side, int) and side > 0 for side in pair)
    ):
        return pair[0], pair[1]
    raise ValueError(f"size: expected a side, or a height and a width such as 32x48, got {value!r}")


def size_text(sizes: Sizes) -> str | None:
    """Return sizes as a setting; None where there are none.

    >>> size_text({"camera": (32, 48)}), size_text({"": (8, 8)})
    ('camera=32x48', '8x8')
    """
    texts = [f"{name}{name and '='}{size[0]}x{size[1]}" for name, size in sizes.items()]
    return ",".join(texts) or None


def sized(name: str, array: Any, sizes: Sizes) -> Any:  # noqa: ANN401
    """Return images at the size that is set for them; other values, and all without one, as given.

    They are resized with bilinear interpolation, antialiased where they shrink. Channels may be
    first or last; they stay where they are.

    Args:
        name: Name of the modality.
        array: Images ``(n, ...)``, or one image per sample, None where it is absent.
        sizes: Sizes by modality.

    Raises:
        ValueError: If a size is set for what are no images, or images differ in their channels.
    """
    size = sizes.get(name, sizes.get(""))
    if size is None:
        return array
    whole = as_array(array)
    rows = list(array if whole is None else whole)
    images = [None if row is None else as_array(row) for row in rows]
    shapes = [image.shape for image in images if image is not None]
    ranks = {len(shape) for shape in shapes}
    if name not in sizes and not ranks <= {3}:
        # A size for all images is none for tables and sequences.
        return array
    if not ranks <= {2, 3} or len(ranks) != 1:
        raise ValueError(
            f"modality {name}: expected images to resize, (C, H, W), (H, W, C) or (H, W), got "
            f"samples of {' and '.join(map(str, sorted(ranks)))} axes"
        )
    last = ranks == {3} and _channels_last(name, shapes)
    channels = {shape[-1 if last else 0] for shape in shapes} if ranks == {3} else {1}
    if len(channels) > 1:
        some = ", ".join(map(str, sorted(channels)))
        raise ValueError(
            f"modality {name}: expected images with as many channels each, got {some}; convert "
            "them, for example all to grey"
        )
    out = np.empty(len(rows), dtype=object)
    out[:] = [None if image is None else _resized(image, size, last) for image in images]
    return out


def _channels_last(name: str, shapes: list[tuple[int, ...]]) -> bool:
    """Return whether channels come last: the end whose length is one for all, or as guessed."""
    first, last = ({shape[end] for shape in shapes} for end in (0, -1))
    if len(first) != len(last) and 1 in (len(first), len(last)):
        return len(last) == 1
    if first <= {*CHANNELS} and not last <= {*CHANNELS}:
        return False
    if last <= {*CHANNELS} and not first <= {*CHANNELS}:
        return True
    return guess_layout(shapes[0], name).channels_last


def _resized(image: Array, size: tuple[int, int], last: bool) -> Array:
    import torch
    from torch.nn.functional import interpolate

    planes = np.moveaxis(image, -1, 0) if last else image
    planes = planes[None] if planes.ndim == 2 else planes
    values = np.ascontiguousarray(planes, dtype=np.float32)
    if values.shape[1:] != size:
        made = interpolate(torch.from_numpy(values)[None], size, mode="bilinear", antialias=True)[
            0
        ].numpy()
    else:
        made = values
    if image.ndim == 2:
        return np.asarray(made[0])
    return np.asarray(np.moveaxis(made, 0, -1) if last else made)
