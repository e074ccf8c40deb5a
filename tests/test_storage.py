"""Files written whole or not at all, and JSON lines."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from dmrnet.storage import (
    append_json_lines,
    check_folder,
    check_outputs,
    complete_lines,
    read_json,
    read_json_lines,
    remove_partial,
    replacing,
    write_bytes,
    write_text,
    write_together,
)


def full(_: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sub" / "file"
    write_text(path, "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=rf"No space left.*{re.escape(str(path))}"):
        write_bytes(path, b"new")
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_no_file_of_several_is_replaced_before_all_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {tmp_path / name: b"old" for name in "abc"}
    write_together(files)
    real, left = os.fsync, [2]

    def full_at_the_third(handle: int) -> None:
        left[0] -= 1
        (real if left[0] >= 0 else full)(handle)

    monkeypatch.setattr(os, "fsync", full_at_the_third)
    with pytest.raises(OSError, match=rf"No space left.*{re.escape(str(tmp_path / 'c'))}"):
        write_together(dict.fromkeys(files, b"new"))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files


def test_an_existing_file_is_replaced_only_if_asked(tmp_path: Path) -> None:
    path, source = tmp_path / "out.csv", tmp_path / "in.csv"
    check_outputs(path, tmp_path / "new" / "folder" / "out.csv")
    path.write_text("mine")
    with pytest.raises(FileExistsError, match=r"out\.csv exists; name another"):
        check_outputs(tmp_path / "other", path)
    check_outputs(path, overwrite=True)
    # What is read is never replaced, under whatever name.
    source.write_text("read")
    for name in (source, tmp_path / "." / "in.csv"):
        with pytest.raises(ValueError, match="is the file that is read"):
            check_outputs(name, overwrite=True, sources=[source])
    (tmp_path / "link.csv").symlink_to(source)
    with pytest.raises(ValueError, match="is the file that is read"):
        check_outputs(tmp_path / "link.csv", overwrite=True, sources=[str(source)])
    (tmp_path / "dangling.csv").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        check_outputs(tmp_path / "dangling.csv")
    with pytest.raises(IsADirectoryError, match="is a folder; name a file"):
        check_outputs(tmp_path, overwrite=True)


def test_what_cannot_be_a_folder(tmp_path: Path) -> None:
    check_folder(tmp_path)
    check_folder(tmp_path / "new" / "folder")
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(NotADirectoryError, match="file is no folder"):
            check_folder(path)
    (tmp_path / "link").symlink_to("nowhere")
    for path in (tmp_path / "link", tmp_path / "link" / "below"):
        with pytest.raises(FileNotFoundError, match="link is a link to nowhere, which does not"):
            check_folder(path)


def test_an_interrupted_block_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write() -> None:
        with replacing(path) as (partial,):
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_have_the_permissions_of_any_other(tmp_path: Path) -> None:
    write_text(tmp_path / "ours", "")
    (tmp_path / "other").write_text("")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_half_written_files_are_removed_and_others_are_not(tmp_path: Path) -> None:
    for name in (".run.json.12.part", "part", ".hidden"):
        (tmp_path / name).write_text("")
    remove_partial(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"part", ".hidden"}


def test_lines_are_appended_and_read_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append_json_lines(path, [{"a": 1}, {"a": None}])
    path.write_text(path.read_text() + "\n")
    append_json_lines(path, [{"ä": 2}])
    assert list(read_json_lines(path)) == [
        (f"{path}:1", {"a": 1}),
        (f"{path}:2", {"a": None}),
        (f"{path}:4", {"ä": 2}),
    ]


@pytest.mark.parametrize("text", ['{"a": 1', "[1]", "3", "\udcff", "[" * 100_000])
def test_what_is_no_object_is_named_by_file_and_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{{}}\n{text}", encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ValueError, match=re.escape(f"{path}:2: expected a JSON object, got ")):
        list(read_json_lines(path))
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ValueError, match=re.escape(f"{path}: expected a JSON object, got ")):
        read_json(path)


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    assert complete_lines(path) == []
    path.write_text("a,1\nb,2\nc,")
    assert complete_lines(path) == ["a,1\n", "b,2\n"]
