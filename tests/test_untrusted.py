"""Files of others: only regular ones, inside the data's folders, of bounded size."""

from __future__ import annotations

import gzip
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dmrnet.data.files.archive import Archive
from dmrnet.data.files.cache import read_arrays
from dmrnet.data.published.digits import parse_table
from dmrnet.data.published.sources import File, common_path, unpacked
from dmrnet.report.records.predictions import load_arrays
from dmrnet.settings.files import read_tree
from dmrnet.untrusted import (
    MOST_TIMES,
    VARIABLE,
    check_inside,
    check_regular,
    folders_of,
    gunzip,
    most_bytes,
)


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe.npz")
    return tmp_path / "pipe.npz"


def test_a_pipe_is_never_waited_for(pipe: Path) -> None:
    for read in (
        lambda: Archive(str(pipe)),
        lambda: File("pipe", pipe).read(),
        lambda: read_tree(pipe),
    ):
        with pytest.raises(ValueError, match="expected a file, got a pipe"):
            read()


def test_devices_and_folders_are_called_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a file, got a device"):
        Archive("/dev/zero")
    with pytest.raises(ValueError, match="got a folder"):
        Archive(str(tmp_path))
    with pytest.raises(IsADirectoryError):
        check_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        check_regular(tmp_path / "nothing")


def test_paths_of_a_list_stay_in_the_sources(tmp_path: Path) -> None:
    source, secret = tmp_path / "source", tmp_path / "secret"
    (source / "below").mkdir(parents=True)
    secret.mkdir()
    (secret / "private.jpg").write_bytes(b"private")
    (source / "own.jpg").write_bytes(b"own")
    (source / "link.jpg").symlink_to(secret / "private.jpg")
    (source / "folder").symlink_to(secret)
    roots = folders_of([source])
    for name in (
        "../secret/private.jpg",
        "link.jpg",
        "folder/private.jpg",
        str(secret / "private.jpg"),
    ):
        file = File(name, source / name, roots=roots)
        with pytest.raises(ValueError, match=r"leads out of .*source, to .*private\.jpg; name"):
            file.read()
        assert File(name, source / name, roots=folders_of([source, secret])).read() == b"private"
    for name in ("own.jpg", "below/../own.jpg", str(source / "own.jpg")):
        assert File(name, source / name, roots=roots).read() == b"own"
    # A source may itself be a link, and a file stands for its folder.
    (tmp_path / "alias").symlink_to(source)
    check_inside(tmp_path / "alias" / "own.jpg", folders_of([tmp_path / "alias"]))
    assert folders_of([source / "own.jpg", source]) == (source.resolve(),)


def test_absolute_and_relative_paths_have_a_common_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = [File("a", Path("x/a")), File("b", tmp_path / "x" / "b")]
    assert common_path(files) == tmp_path / "x"


def bomb(path: Path, size: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("a.npy", "w") as member:
            np.lib.format.write_array(member, np.zeros(size, np.uint8))
        archive.writestr("names.txt", "a")
    return path


def test_small_archives_do_not_inflate_without_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bomb(tmp_path / "bomb.npz", 10**6)
    assert path.stat().st_size * MOST_TIMES < 10**6
    readers = (
        lambda: Archive(str(path)).read("a"),
        lambda: read_arrays(path),
        lambda: load_arrays(path, "predictions", "evaluate again"),
        lambda: File("a", path, "a.npy").read(),
        lambda: File("a", path, "a.npy", folders_of([tmp_path])).read(),
    )
    for read in readers[:1] + readers[3:]:
        read()
    monkeypatch.setenv(VARIABLE, "900000")
    for read in readers:
        with pytest.raises(ValueError, match=r"would inflate to 1,000,1\d\d, more than 900,000"):
            read()
    monkeypatch.setenv(VARIABLE, "1100000")
    Archive(str(path)).read("a")
    monkeypatch.setenv(VARIABLE, "much")
    with pytest.raises(ValueError, match=f"{VARIABLE}: expected a whole number"):
        Archive(str(path))


def test_large_files_are_no_bombs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    assert most_bytes(10**12) == MOST_TIMES * 10**12
    np.savez_compressed(tmp_path / "a.npz", a=np.random.default_rng(0).normal(size=1000))
    assert len(Archive(str(tmp_path / "a.npz")).read("a")) == 1000


def test_so_are_compressed_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    content = gzip.compress(b"0" * 10**6)
    assert gunzip(content) == b"0" * 10**6
    monkeypatch.setenv(VARIABLE, "900000")
    with pytest.raises(ValueError, match="inflate to more than 900,000"):
        gunzip(content)
    with pytest.raises(ValueError, match=r"table is damaged .*inflate"):
        parse_table(content, "table")
    with pytest.raises(ValueError, match="table is damaged"):
        parse_table(b"\x1f\x8bnothing", "table")


def test_a_wheel_with_the_file_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("package/table.csv", "1")
    assert unpacked(path, "table.csv").read() == b"1"
