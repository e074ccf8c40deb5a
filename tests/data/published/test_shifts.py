"""With any files missing or damaged, every other sample keeps its label, its name, its inputs."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.data.made import casia_surf, crema_d, cwfid, kinetics_sounds

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.cache import read_cache
from dmrnet.data.published.preparation import preparation, prepare
from dmrnet.data.published.sources import File

pytest.importorskip("av", reason="video files need the extra audio-video")

MADE: dict[str, Callable[[Path], Path]] = {
    "casia-surf": casia_surf.make,
    "crema-d": crema_d.make,
    "crema-d of videos": partial(crema_d.make, how="flv"),
    "cwfid": cwfid.make,
    "kinetics-sounds": kinetics_sounds.frames,
    "kinetics-sounds of videos": partial(kinetics_sounds.listed, some=slice(0, None, 5)),
}
"""The name of a data set, and after a blank in which layout it is made."""

QUICK = ("casia-surf", "crema-d", "cwfid")
"""Layouts that are tried each time; the others have ten times as many files, or videos."""

LISTS = ("list", "split")
HARMS: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 3]),
    "something else": lambda path: path.write_bytes(b"<html>404</html>"),
    "a pointer": lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"),
}


@cache
def whole(case: str) -> tuple[Path, dict[str, Array]]:
    """Return the made files, and what is prepared from all of them."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, True)
    source, name = MADE[case](folder / "source"), case.partition(" ")[0]
    prepare(name, [source], folder / "root")
    return source, read_cache(name, str(folder / "root"), preparation(name).version)[0]


@cache
def media(case: str) -> list[tuple[str, int, File]]:
    """Return every picture and recording: its group, its row there, the file.

    A video stands in two groups, at the same row.
    """
    found = preparation(case.partition(" ")[0]).find([whole(case)[0]])
    return [
        (group, row, file)
        for group, files in found.items()
        if not group.endswith(LISTS)
        for row, file in enumerate(files)
    ]


@pytest.mark.parametrize(
    "case",
    [c if c in QUICK else pytest.param(c, marks=pytest.mark.slow) for c in MADE],
)
@settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_nothing_shifts(case: str, data: st.DataObject, tmp_path_factory) -> None:
    name, files, (source, before) = case.partition(" ")[0], media(case), whole(case)
    places = st.tuples(st.integers(0, len(files) - 1), st.sampled_from(sorted(HARMS)))
    harmed = dict(data.draw(st.lists(places, min_size=1, max_size=12)))
    gone: dict[str, set[int]] = defaultdict(set)
    for place in harmed:
        group, row, _ = files[place]
        gone[group.rpartition(".")[0]].add(row)
    # A first frame that is gone is not missed while another one stands beside it.
    broken = {files[place][2]: how for place, how in harmed.items()}
    kept = {file: file.path.read_bytes() for file in broken}
    beside = {
        file: [(other, other.read_bytes()) for other in file.path.parent.glob("*.jpg")]
        for file, how in broken.items()
        if how == "missing" and file.path.suffix == ".jpg" and name != "casia-surf"
    }
    lengths = {key.rpartition(".")[0]: len(array) for key, array in before.items()}
    assume(all(len(rows) < lengths[group] for group, rows in gone.items()))
    if (tested := before.get("test")) is not None:
        # Of both splits something is left.
        assume(len({tested[row] for row in range(len(tested)) if row not in gone[""]}) == 2)
    try:
        for file, how in broken.items():
            for other, _ in beside.get(file, []):
                other.unlink(missing_ok=True)
            if file.path.exists():
                HARMS[how](file.path)
        root = tmp_path_factory.mktemp("root")
        prepare(name, [source], root, bad="skip")
    finally:
        for file, content in kept.items():
            for other, picture in beside.get(file, []):
                other.write_bytes(picture)
            file.path.write_bytes(content)
    after, provenance = read_cache(name, str(root), preparation(name).version)
    assert after.keys() == before.keys()
    for key, array in before.items():
        rows = [row for row in range(len(array)) if row not in gone[key.rpartition(".")[0]]]
        assert np.array_equal(after[key], array[rows]), key
    # Each is counted once; a video as sound and as picture.
    expected = sorted((group, file.name) for group, _, file in files if file in broken)
    assert sorted((one.group, one.name) for one in provenance.bad) == expected
