"""As `test_shifts`, where samples stand in one file, or in memory: the rest stays as it was."""

from __future__ import annotations

import gzip
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.data.made import digits as three_senses
from tests.data.made import watch as shoulders

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.cache import read_cache
from dmrnet.data.published.preparation import preparation, prepare

few = settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
BYTES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 3]),
    "something else": lambda path: path.write_bytes(b"<html>404</html>"),
}


@pytest.fixture(scope="module")
def senses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Array]]]:
    """Return the files of `digits`, fewer than published, and what is prepared of all of them."""
    folder = tmp_path_factory.mktemp("digits")
    with three_senses.fewer(takes=2, signs=4, images=4):
        source = three_senses.make(folder / "source")
        prepare("digits", [source], folder / "root")
        yield source, read_cache("digits", str(folder / "root"), 1)[0]


@few
@given(data=st.data())
def test_digits(
    data: st.DataObject, senses: tuple[Path, dict[str, Array]], tmp_path_factory
) -> None:
    source, before = senses
    found = preparation("digits").find([source])
    lengths = {group: len(before[group]) for group in ("image", "sound", "sign")}
    every = [(group, row) for group, length in lengths.items() for row in range(length)]
    harms = st.tuples(st.sampled_from(every), st.sampled_from(sorted(BYTES)))
    harmed = dict(data.draw(st.lists(harms, min_size=1, max_size=12)))
    gone: dict[str, set[int]] = defaultdict(set)
    for group, row in harmed:
        gone[group].add(row)
    for group, rows in gone.items():
        kept = np.delete(before[f"{group}.y"], sorted(rows))
        assume(len(set(kept.tolist())) == 10)
    copy = tmp_path_factory.mktemp("copy") / "source"
    shutil.copytree(source, copy)
    names = set()
    lines = gzip.decompress(found["image"][0].read()).splitlines()
    for (group, row), how in harmed.items():
        if group == "image":
            lines[row] = b"12,x"
            names.add(f"line {row + 1}")
        else:
            file = found[group][row]
            BYTES[how](copy / file.path.relative_to(source))
            names.add(file.name)
    (copy / found["image"][0].path.relative_to(source)).write_bytes(
        gzip.compress(b"\n".join(lines))
    )
    root = copy.parent / "root"
    prepare("digits", [copy], root, bad="skip")
    after, provenance = read_cache("digits", str(root), 1)
    for key, array in before.items():
        assert np.array_equal(after[key], np.delete(array, sorted(gone[key.split(".")[0]]), 0)), key
    # A photograph that is not there is not known to be one.
    unknown = {
        found["sign"][row].name
        for (group, row), how in harmed.items()
        if (group, how) == ("sign", "missing")
    }
    assert {one.name for one in provenance.bad} == names - unknown
    shutil.rmtree(copy.parent)


@few
@given(data=st.data())
def test_recordings_of_watch(data: st.DataObject, tmp_path_factory) -> None:
    content = shoulders.content()
    spoilt: dict[str, Callable[[Any], Any]] = {
        "a step that is not finite": lambda x: np.where(np.arange(len(x))[:, None] == 9, np.inf, x),
        "a channel less": lambda x: x[:, :5],
        "no step": lambda x: x[:0],
        "text": lambda x: [["a"] * 6] * len(x),
    }
    number = len(content["X"])
    harms = st.tuples(st.integers(0, number - 1), st.sampled_from(sorted(spoilt)))
    harmed = dict(data.draw(st.lists(harms, min_size=1, max_size=30)))
    whole = list(content["X"])
    content["X"] = [spoilt[harmed[row]](x) if row in harmed else x for row, x in enumerate(whole)]
    folder = tmp_path_factory.mktemp("watch")
    shoulders.write(folder / "watch_dataset.npy", content)
    prepare("watch", [folder], folder, bad="skip", allow_pickle=True)
    after, provenance = read_cache("watch", str(folder), 1)
    kept = [row for row in range(number) if row not in harmed]
    assert after["number"].tolist() == kept
    for key in ("y", "subject", "side"):
        assert after[key].tolist() == [int(content[key][row]) for row in kept], key
    ends = after["length"].cumsum()[:-1]
    for row, values in zip(kept, np.split(after["values"], ends), strict=True):
        assert np.array_equal(values, np.asarray(whole[row], dtype=np.float32)), row
    assert {one.name for one in provenance.bad} == {f"recording {row}" for row in harmed}
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def indoors(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Array]]:
    """Return the folder of `nyuv2`, and what is prepared of it."""
    h5py = pytest.importorskip("h5py")
    from tests.data.made import nyuv2 as rooms

    folder = tmp_path_factory.mktemp("nyuv2")
    labelled = rooms.make(folder / "source") / rooms_file()
    content = rooms.content()
    with h5py.File(labelled, "r+") as file:
        # Compressed as published: a chunk that is damaged cannot be opened.
        for key, values in content.items():
            del file[key]
            turned = values.swapaxes(-1, -2)
            shape = (1, *turned.shape[1:])
            file.create_dataset(key, data=turned, chunks=shape, compression="gzip")
    prepare("nyuv2", [folder / "source"], folder / "whole")
    return folder / "source", read_cache("nyuv2", str(folder / "whole"), 1)[0]


@few
@given(data=st.data())
def test_images_of_nyuv2(
    data: st.DataObject, indoors: tuple[Path, dict[str, Array]], tmp_path_factory
) -> None:
    import h5py
    from tests.data.made import nyuv2 as rooms

    source, before = indoors
    folder, content = tmp_path_factory.mktemp("copy"), rooms.content()
    labelled = shutil.copytree(source, folder / "source") / rooms_file()
    every = [(key, row) for key in content for row in range(rooms.IMAGES)]
    harms = st.tuples(st.sampled_from(every), st.sampled_from(["bytes", "values"]))
    harmed = dict(data.draw(st.lists(harms, min_size=1, max_size=8)))
    gone = sorted({row for _, row in harmed})
    tested = np.isin(np.arange(1, rooms.IMAGES + 1), rooms.TESTED)
    assume(len(set(np.delete(tested, gone).tolist())) == 2)
    offsets = []
    with h5py.File(labelled, "r+") as file:
        for (key, row), how in harmed.items():
            values = {"depths": np.nan, "rawDepths": -1.0, "labels": 895}
            if how == "values" and key in values:
                file[key][row, 5, 7] = values[key]
            else:
                chunk = file[key].id.get_chunk_info(row)
                offsets.append(chunk.byte_offset + chunk.size // 2)
    damaged = bytearray(labelled.read_bytes())
    for offset in offsets:
        damaged[offset : offset + 16] = bytes(16)
    labelled.write_bytes(bytes(damaged))
    prepare("nyuv2", [folder / "source"], folder / "root", bad="skip")
    after, provenance = read_cache("nyuv2", str(folder / "root"), 1)
    for key, array in before.items():
        assert np.array_equal(after[key], np.delete(array, gone, 0)), key
    group = {"images": "rgb", "depths": "depth", "rawDepths": "depth_raw", "labels": "labels"}
    assert {(one.group, one.name) for one in provenance.bad} == {
        (group[key], f"image {row + 1}") for key, row in harmed
    }
    shutil.rmtree(folder)


def rooms_file() -> str:
    """Return the name of the labelled file."""
    return "nyu_depth_v2_labeled.mat"
