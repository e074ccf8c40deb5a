"""What a shape is taken for, and what can be said instead."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dmrnet.data.files.arrays.layout import (
    KINDS,
    Layout,
    guess_layout,
    matching_layout,
    parse_kind,
    reading_notes,
)
from dmrnet.data.files.reading import arranged
from dmrnet.modalities import Modality


@pytest.mark.parametrize(
    ("shape", "kind", "result"),
    [
        ((), "vector", (1,)),
        ((9,), "vector", (9,)),
        ((6, 128), "sequence", (6, 128)),
        ((128, 6), "sequence", (6, 128)),
        ((1, 50), "sequence", (1, 50)),
        ((50, 1), "sequence", (1, 50)),
        ((22, 1000), "sequence", (22, 1000)),
        ((5, 5), "sequence", (5, 5)),
        ((28, 28), "image", (1, 28, 28)),
        ((16, 15), "image", (1, 16, 15)),
        ((64, 51), "image", (1, 64, 51)),
        ((64, 1000), "image", (1, 64, 1000)),
        ((8, 8), "image", (1, 8, 8)),
        ((3, 32, 40), "image", (3, 32, 40)),
        ((32, 40, 3), "image", (3, 32, 40)),
        ((32, 40, 1), "image", (1, 32, 40)),
        ((1, 28, 28), "image", (1, 28, 28)),
        ((3, 5, 3), "image", (3, 5, 3)),
        ((7, 5, 9), "image", (7, 5, 9)),
        ((3, 8, 16, 20), "volume", (3, 8, 16, 20)),
        ((8, 16, 20, 3), "volume", (3, 8, 16, 20)),
        ((32, 32, 13), "image", (13, 32, 32)),
        ((11, 11, 144), "image", (144, 11, 11)),
        ((144, 11, 11), "image", (144, 11, 11)),
        ((13, 32, 32), "image", (13, 32, 32)),
        ((480, 640, 13), "image", (13, 480, 640)),
        ((13, 480, 640), "image", (13, 480, 640)),
        ((32, 32, 32), "image", (32, 32, 32)),
        ((9, 9, 8), "image", (8, 9, 9)),
        ((16, 64, 64, 13), "volume", (13, 16, 64, 64)),
        ((13, 16, 64, 64), "volume", (13, 16, 64, 64)),
        ((16, 16, 16, 2), "volume", (2, 16, 16, 16)),
        ((2, 16, 16, 16), "volume", (2, 16, 16, 16)),
        ((8, 3, 64, 64), "volume", (8, 3, 64, 64)),
    ],
)
def test_the_rule(shape, kind, result) -> None:
    layout = guess_layout(shape)
    assert layout.kind == kind
    assert layout.shape(shape) == result
    # A vector or an image that is clearly channels first needs no guess; all else is one.
    unclear = [(3, 5, 3), (7, 5, 9), (32, 32, 32), (8, 3, 64, 64)]
    moved = len(shape) > 2 and shape != result
    assert layout.guessed == (len(shape) == 2 or moved or shape in unclear)


@pytest.mark.parametrize(
    ("name", "shape", "kind", "result"),
    [
        ("rna", (1, 5000), "vector", (5000,)),
        ("clinical_table", (24, 1), "vector", (24,)),
        ("ecg", (1, 5000), "sequence", (1, 5000)),
        ("m", (1, 5000), "sequence", (1, 5000)),
        ("eeg", (64, 128), "sequence", (64, 128)),
        ("leftIMU", (128, 64), "sequence-last", (64, 128)),
        ("mel_spectrogram", (64, 128), "image", (1, 64, 128)),
        ("depth", (6, 128), "image", (1, 6, 128)),
        ("text", (50, 300), "sequence-last", (300, 50)),
        ("tokens", (50, 50), "sequence-last", (50, 50)),
        ("m", (64, 128), "image", (1, 64, 128)),
        ("image_of_sound", (64, 128), "image", (1, 64, 128)),
    ],
)
def test_names_decide_what_shapes_leave_open(name, shape, kind, result) -> None:
    layout = guess_layout(shape, name)
    assert (str(layout), layout.shape(shape)) == (kind, result)
    assert layout.guessed
    modality = Modality(name, layout.kind, result)
    again = matching_layout(shape, modality, None)
    assert (again.shape(shape), again.channels_last) == (result, layout.channels_last)
    (note,) = reading_notes({name: (shape, layout)})
    assert (" by its name" in note) == layout.named
    assert f"--data.kinds {name}=" in note
    assert f"={layout} or" not in note


def test_every_array_is_noted_and_guesses_say_what_else() -> None:
    shapes = {"bands": (32, 32, 13), "tab": (24,), "cam": (1, 16, 16), "age": (24,)}
    notes = reading_notes(
        {name: (shape, guess_layout(shape, name)) for name, shape in shapes.items()}
    )
    assert notes == [
        "bands (32x32x13) read as image 13x32x32, channels last in the file; if that is wrong, "
        "give kinds (--data.kinds bands=image or vector)",
        "tab, age read as vector 24",
        "cam read as image 1x16x16",
    ]
    many = {f"m{k}": ((4,), Layout("vector")) for k in range(20)}
    assert reading_notes(many) == ["20 modalities read as vector 4"]


def test_a_square_is_read_as_in_training_before_and_now() -> None:
    # A run that read 32 channels of 32 x 13 goes on to do so.
    old = matching_layout((32, 32, 13), Modality("m", "image", (32, 32, 13)), None)
    assert not old.channels_last
    new = matching_layout((32, 32, 13), Modality("m", "image", (13, 32, 32)), None)
    assert new.channels_last


def test_too_many_axes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"5 axes; expected 0 to 4, or a kind of 'vector'"):
        guess_layout((2, 2, 2, 2, 2))


@pytest.mark.parametrize(
    ("kind", "shape", "result"),
    [
        ("vector", (4, 5), (20,)),
        ("sequence", (64, 50), (64, 50)),
        ("sequence-last", (20, 768), (768, 20)),
        ("sequence", (50,), (1, 50)),
        ("image", (6, 128), (1, 6, 128)),
        ("image-last", (4, 5, 6), (6, 4, 5)),
        ("volume", (4, 5, 6), (1, 4, 5, 6)),
        ("volume-last", (4, 5, 6, 2), (2, 4, 5, 6)),
    ],
)
def test_a_stated_kind_overrules_the_shape(kind, shape, result) -> None:
    layout = parse_kind(kind)
    assert str(layout) == kind
    assert not layout.guessed
    assert layout.shape(shape) == result


@pytest.mark.parametrize("kind", KINDS)
def test_arranging_moves_every_number_to_its_position(kind) -> None:
    layout = parse_kind(kind)
    rank = {"vector": 1, "sequence": 2, "image": 3, "volume": 4}[layout.kind]
    sizes = (2, 2, 3, 4, 5)[: rank + 1]
    array = np.arange(np.prod(sizes), dtype=np.float32).reshape(sizes)
    done = arranged(array, layout)
    for place in np.ndindex(array.shape):
        row, *inner = place
        moved = [inner[-1], *inner[:-1]] if layout.channels_last else inner
        assert done[(row, *moved)] == array[place]
    assert done.is_contiguous()
    if not layout.channels_last:
        array[0] = -1
        assert bool((done[0] == -1).all()), "it was copied"


@pytest.mark.parametrize(
    ("kind", "shape"), [("image", (5,)), ("sequence-last", (5,)), ("sequence", (1, 2, 3))]
)
def test_a_kind_with_another_number_of_axes_is_refused(kind, shape) -> None:
    with pytest.raises(ValueError, match=f"cannot be a {kind}"):
        parse_kind(kind).shape(shape)


def test_an_unknown_kind_gets_the_nearest() -> None:
    with pytest.raises(ValueError, match="unknown kind 'sequense'; did you mean 'sequence'"):
        parse_kind("sequense")
    with pytest.raises(ValueError, match=r"unknown kind 'foo'; known: vector, [a-z, -]*$"):
        parse_kind("foo")


@pytest.mark.parametrize(
    ("shape", "modality", "stated"),
    [
        ((128, 6), Modality("m", "sequence", (6, 128)), None),
        ((6, 128), Modality("m", "sequence", (6, 128)), None),
        ((28, 28), Modality("m", "image", (1, 28, 28)), None),
        ((1, 28, 28), Modality("m", "image", (1, 28, 28)), None),
        ((4, 5), Modality("m", "vector", (20,)), Layout("vector")),
        ((), Modality("m", "vector", (1,)), None),
        ((7, 7), Modality("m", "sequence", (7, 7)), Layout("sequence", True)),
    ],
)
def test_a_new_file_is_read_as_training_was(shape, modality, stated) -> None:
    layout = matching_layout(shape, modality, stated)
    assert layout.shape(shape) == modality.shape
    if stated:
        assert layout is stated


@pytest.mark.parametrize(
    ("shape", "modality", "stated"),
    [
        ((4, 5), Modality("m", "vector", (20,)), None),
        ((21,), Modality("m", "vector", (20,)), None),
        ((128, 5), Modality("m", "sequence", (6, 128)), None),
        ((6, 128), Modality("m", "sequence", (6, 128)), Layout("sequence", True)),
    ],
)
def test_a_new_file_of_another_shape_is_refused(shape, modality, stated) -> None:
    with pytest.raises(ValueError, match=r"as in training \(.*\), got"):
        matching_layout(shape, modality, stated)


def test_torch_sees_the_same_memory() -> None:
    array = np.zeros((3, 4), dtype=np.float32)
    assert arranged(array, Layout("vector")).data_ptr() == torch.from_numpy(array).data_ptr()
