"""Published files: folders and wheels that they are found in."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest

from dmrnet.data.published.sources import locate, unpacked

if TYPE_CHECKING:
    from pathlib import Path


def test_folders_are_found_at_any_of_three_depths(tmp_path: Path) -> None:
    for depth in ("", "a", "a/b"):
        top = tmp_path / f"top{len(depth)}"
        folder = top / depth / "recordings"
        folder.mkdir(parents=True)
        assert locate([top], ("recordings",), "sound", "") == folder
        assert locate([folder], ("recordings",), "sound", "") == folder
    deep = tmp_path / "deep"
    (deep / "a/b/c/recordings").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"found no sound.*recordings.*get it there"):
        locate([deep], ("recordings",), "sound", "get it there")


def test_the_first_pattern_is_preferred_and_two_matches_are_refused(tmp_path: Path) -> None:
    for name in ("b", "a-1.whl", "a-2.whl"):
        (tmp_path / name).touch()
    assert locate([tmp_path], ("b", "a-*.whl"), "it", "") == tmp_path / "b"
    assert locate([tmp_path, tmp_path / "b"], ("b",), "it", "") == tmp_path / "b"
    with pytest.raises(ValueError, match=r"found .*a-1\.whl, .*a-2\.whl; name the one meant"):
        locate([tmp_path], ("a-*.whl",), "it", "")


def test_a_file_inside_a_wheel(tmp_path: Path) -> None:
    wheel = tmp_path / "a.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a/data/table.csv", "1,2")
        archive.writestr("a/empty.csv", "")
    file = unpacked(wheel, "table.csv")
    assert (file.name, file.read()) == ("table.csv", b"1,2")
    with pytest.raises(ValueError, match="is empty"):
        unpacked(wheel, "empty.csv").read()
    with pytest.raises(ValueError, match=r"one other\.csv in it, found 0"):
        unpacked(wheel, "other.csv")
    wheel.write_bytes(b"no wheel")
    with pytest.raises(ValueError, match="is damaged"):
        unpacked(wheel, "table.csv")
    with pytest.raises(ValueError, match="is damaged"):
        file.read()
