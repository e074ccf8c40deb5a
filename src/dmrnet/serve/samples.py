"""Samples of a request, checked before they are predicted: JSON, or parts with arrays, images."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.decoders import Decoder
from dmrnet.hints import nearest
from dmrnet.serve.model import Input, ServedModel

PNG, NPY, ZIP = b"\x89PNG", b"\x93NUMPY", b"PK\x03\x04"
"""First bytes of files."""


Parts = Sequence[tuple[str, bytes]]
"""Name and content of each part of a multipart body."""


class BadSampleError(ValueError):
    """A request that cannot be predicted; the message is for its sender."""


def read_json(body: bytes, model: ServedModel, most: int) -> list[dict[str, Array]]:
    """Return the arrays of each sample of a JSON body ``{"samples": [{NAME: numbers}]}``.

    Args:
        body: The body.
        model: The graph that is to predict them.
        most: Most samples of a request.

    Raises:
        BadSampleError: If it is no such JSON, or a number is none.
    """
    try:
        content = json.loads(body, object_pairs_hook=_object)
    except BadSampleError:
        raise
    except (ValueError, RecursionError) as error:
        raise BadSampleError(f"expected JSON, got something else ({_line(error)})") from error
    samples = content.get("samples") if isinstance(content, dict) else None
    if not isinstance(samples, list) or not samples:
        raise BadSampleError(
            'expected {"samples": [{"NAME": numbers, ...}, ...]} with at least one sample'
        )
    for key in content:
        if key != "samples":
            raise BadSampleError(f"expected samples alone, got {_short(key)}")
    if len(samples) > most:
        raise BadSampleError(f"expected at most {most} samples, got {len(samples)}")
    # Among numbers, numpy would read true as 1.
    truths = b"true" in body or b"false" in body
    return [_of_json(number, one, model, truths) for number, one in enumerate(samples)]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; of a key that stands twice, one value would be lost."""
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadSampleError(f"expected each name once, got {_short(twice)} twice")
    return members


def _of_json(
    number: int,
    sample: Any,  # noqa: ANN401
    model: ServedModel,
    truths: bool,
) -> dict[str, Array]:
    where = f"sample {number}"
    if not isinstance(sample, dict):
        raise BadSampleError(f"{where}: expected an object of modalities, got {_kind(sample)}")
    arrays = {}
    for name, value in sample.items():
        one = _input(name, model, where)
        if value is None:
            continue
        try:
            array = np.asarray(value)
        except (ValueError, OverflowError, RecursionError) as error:
            raise BadSampleError(
                f"{where}, {name}: expected numbers of shape {_shape(one)}, got rows of different "
                "lengths"
            ) from error
        if one.gaps and array.dtype == object:
            array = _with_gaps(array)
        if (
            isinstance(value, str)
            or array.dtype.kind not in "iuf"
            or (truths and _holds_truth(value))
        ):
            raise BadSampleError(
                f"{where}, {name}: expected numbers of shape {_shape(one)}, got "
                f"{_kind(value) if array.ndim == 0 else 'something else in the list'}"
            )
        arrays[name] = array
    return arrays


def _holds_truth(value: Any) -> bool:  # noqa: ANN401
    """Whether true or false is among nested lists."""
    if isinstance(value, list):
        return any(map(_holds_truth, value))
    return isinstance(value, bool)


def _with_gaps(array: Array) -> Array:
    """Return numbers with NaN for null; the array itself if it holds anything else."""
    kinds = {type(value) for value in array.ravel().tolist()}
    return array.astype(np.float64) if kinds <= {int, float, type(None)} else array


def read_parts(
    parts: Parts, model: ServedModel, decoders: Mapping[str, Decoder] | None = None
) -> dict[str, Array]:
    """Return the arrays of one sample from the parts of a multipart body.

    A part is named as its modality and holds an ``.npy`` array; for images of 1, 3 or 4 channels
    also a PNG, whose pixels count 0 to 255 (65535 in 16 bits); for vectors and sequences also CSV
    without a head. A part of any name that holds an ``.npz`` has an array for each modality.

    Args:
        parts: Name and content of each part.
        model: The graph that is to predict it.
        decoders: How further files of modalities are read, if any.

    Raises:
        BadSampleError: If a part is of another kind, or damaged.
    """
    arrays: dict[str, Array] = {}
    decoders = decoders or {}
    for name, content in parts:
        values = (
            _of_npz(name, content, model)
            if content.startswith(ZIP)
            else {
                name: _of_part(
                    name, content, _input(name, model, "the request"), decoders.get(name)
                )
            }
        )
        for key, array in values.items():
            if key in arrays:
                raise BadSampleError(f"expected one part for {key}, got two")
            arrays[key] = array
    return arrays


def _of_part(name: str, content: bytes, one: Input, decoder: Decoder | None) -> Array:
    if content.startswith(NPY):
        return _of_npy(name, io.BytesIO(content), one)
    if decoder is not None:
        try:
            decoded = decoder.decode(content)
        except (ValueError, OverflowError, MemoryError) as error:
            raise BadSampleError(f"part {name}: the file {_line(error)}") from error
        if decoded is not None:
            return decoded
    if content.startswith(PNG) and len(one.shape) == 3:
        return _of_png(name, content, one)
    if len(one.shape) <= 2 and (text := _as_text(content)) is not None:
        return _of_csv(name, text, one)
    what = ".npy, .npz or CSV" if len(one.shape) <= 2 else ".npy, .npz or PNG"
    got = "a PNG" if content.startswith(PNG) else "something else"
    raise BadSampleError(f"part {name}: expected {what}, got {got}")


def _as_text(content: bytes) -> str | None:
    """Return what is text without control characters; None of anything else."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return text if all(char.isprintable() or char in "\r\n\t" for char in text) else None


def _of_csv(name: str, text: str, one: Input) -> Array:
    """Read numbers: a vector in one line or one per line; a sequence by steps or by channels."""
    lines = [line.split(",") for line in text.splitlines() if line.strip()]
    if sum(map(len, lines)) > one.size or len({len(line) for line in lines}) != 1:
        raise BadSampleError(
            f"part {name}: expected lines of equal length with {one.size} numbers in all, got "
            f"{sum(map(len, lines))} in {len(lines)} lines"
        )
    cells = [cell.strip() for line in lines for cell in line]
    try:
        if "_" in text:  # which Python would read
            raise ValueError("got an underscore")
        numbers = [math.nan if one.gaps and not cell else float(cell) for cell in cells]
    except ValueError as error:
        raise BadSampleError(f"part {name}: expected numbers, {_line(error)}") from error
    array = np.array(numbers).reshape(len(lines), -1)
    if len(one.shape) == 1:
        return array.ravel() if 1 in array.shape else array
    if array.shape[0] == array.shape[1] and _fits(array.shape, one):
        raise BadSampleError(
            f"part {name}: {array.shape[0]} lines of {array.shape[1]} numbers; lines may be steps "
            "or channels; send .npy"
        )
    # A line per step is how sequences are mostly written.
    return array.T if _fits(array.T.shape, one) else array


def _of_npy(name: str, stream: Any, one: Input) -> Array:  # noqa: ANN401
    """Read an array; its header is checked first, since it may promise any size."""
    try:
        version = np.lib.format.read_magic(stream)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(stream)
    except Exception as error:
        raise BadSampleError(f"part {name}: the .npy header is damaged") from error
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise BadSampleError(f"part {name}: expected numbers, got {dtype}")
    if not _fits(shape, one):
        raise BadSampleError(f"part {name}: expected shape {_shape(one)}, got {shape}")
    wanted = math.prod(shape) * dtype.itemsize
    content = stream.read(wanted + 1)
    if len(content) != wanted:
        raise BadSampleError(f"part {name}: the .npy file is cut short, or longer than it says")
    # Fortran order is stated in the header, which numpy reads again here.
    stream.seek(0)
    array: Array = np.lib.format.read_array(stream, allow_pickle=False)
    return array


def _of_npz(name: str, content: bytes, model: ServedModel) -> dict[str, Array]:
    arrays = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist():
                one = _input(info.filename.removesuffix(".npy"), model, f"part {name}")
                # A small file may unpack to any size.
                if info.file_size > 8 * one.size + 4096:
                    raise BadSampleError(
                        f"part {name}: expected {one.name} of shape {_shape(one)}, got more"
                    )
                if one.name in arrays:
                    raise BadSampleError(f"part {name}: expected one array {one.name}, got two")
                arrays[one.name] = _of_npy(one.name, io.BytesIO(archive.read(info)), one)
    except BadSampleError:
        raise
    except Exception as error:
        raise BadSampleError(f"part {name}: the .npz file is damaged ({_line(error)})") from error
    return arrays


def _of_png(name: str, content: bytes, one: Input) -> Array:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            channels = {"1": 1, "L": 1, "I;16": 1, "I": 1, "RGB": 3, "RGBA": 4}.get(image.mode)
            got = (channels or 0, image.height, image.width)
            if channels is None or got != one.shape:
                raise BadSampleError(
                    f"part {name}: expected an image of shape {_shape(one)} (channels, height, "
                    f"width), got {image.mode} of {image.height} x {image.width}"
                )
            array = np.asarray(image.convert("L") if image.mode == "1" else image)
    except BadSampleError:
        raise
    except Exception as error:
        raise BadSampleError(f"part {name}: the PNG is damaged ({_line(error)})") from error
    return array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)


def assemble(
    samples: Sequence[Mapping[str, Array]], model: ServedModel
) -> tuple[dict[str, Array], Array]:
    """Return the inputs of a graph and presence, from the arrays of each sample.

    Raises:
        BadSampleError: If a shape differs, a number is NaN or infinite, or nothing is present.
    """
    present = np.zeros((len(samples), len(model.inputs)), dtype=np.bool_)
    inputs = {
        one.name: np.zeros((len(samples), *one.shape), dtype=one.dtype) for one in model.inputs
    }
    for row, sample in enumerate(samples):
        for column, one in enumerate(model.inputs):
            array = sample.get(one.name)
            if array is None:
                continue
            if not _fits(array.shape, one):
                raise BadSampleError(
                    f"sample {row}, {one.name}: expected shape {_shape(one)}, got "
                    f"{tuple(array.shape)}"
                )
            bad = np.isinf(array) if one.gaps else ~np.isfinite(array)
            if bad.any() or np.isnan(array).all():
                raise BadSampleError(
                    f"sample {row}, {one.name}: NaN or infinity; leave out what is missing"
                )
            if one.ragged:
                end = [(0, 0)] * (array.ndim - 1) + [(0, one.shape[-1] - array.shape[-1])]
                array = np.pad(array.astype(one.dtype), end, constant_values=np.nan)
            # A number beyond float32 becomes infinite, which the graph answers with NaN.
            with np.errstate(over="ignore"):
                inputs[one.name][row] = array.reshape(one.shape)
            present[row, column] = True
        needed = len(model.inputs) if model.fixed else 1
        if present[row].sum() < needed:
            what = "all of" if model.fixed else "at least one of"
            raise BadSampleError(f"sample {row}: expected {what} {', '.join(model.names)}")
    return inputs, present


def _input(name: str, model: ServedModel, where: str) -> Input:
    for one in model.inputs:
        if one.name == name:
            return one
    raise BadSampleError(f"{where}: unknown modality {_short(name)}; {nearest(name, model.names)}")


def _fits(shape: tuple[int, ...], one: Input) -> bool:
    """Whether an array of a shape is one sample of a modality, with or without an axis of one."""
    shape = shape[1:] if len(shape) == len(one.shape) + 1 and shape[0] == 1 else shape
    if one.ragged and len(shape) == len(one.shape):
        return shape[:-1] == one.shape[:-1] and 1 <= shape[-1] <= one.shape[-1]
    return shape == one.shape


def _shape(one: Input) -> str:
    return f"({', '.join(map(str, one.shape))}{',' if len(one.shape) == 1 else ''})"


def _kind(value: Any) -> str:  # noqa: ANN401
    names = {str: "text", bool: "true or false", dict: "an object", list: "a list"}
    return names.get(type(value), "null" if value is None else "a number")


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
