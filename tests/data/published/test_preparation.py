"""Preparing: nothing is lost, shifted, half written or done twice; bad files are named."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dmrnet.data.published.preparation as module
from dmrnet.data.files.cache import Rejected, read_cache, skipped_note, write_rejected
from dmrnet.data.published.preparation import Preparation, prepare
from dmrnet.data.published.sources import File
from dmrnet.data.published.work import Work

if TYPE_CHECKING:
    from pathlib import Path

AT_ONCE = 32
"""Files in a part, here; eight times as many, as usual, take long to write for each test."""

FILES = 2 * AT_ONCE + 20


class Toy:
    """A data set of text files, each a number; counts what is decoded, and can be killed."""

    def __init__(self) -> None:
        self.decoded = 0
        self.die_at: int | None = None
        self.version = 1

    def find(self, sources: list[Path]) -> dict[str, list[File]]:
        (source,) = sources
        # Every one of them is expected, as with recordings that are numbered.
        names = [f"{number:04}.txt" for number in range(len(list(source.iterdir())))]
        return {"number": [File(name, source / name) for name in names]}

    def decode(self, content: bytes) -> np.ndarray:
        if self.decoded == self.die_at:
            raise KeyboardInterrupt
        self.decoded += 1
        return np.array([int(content)] * 3, dtype=np.int64)

    def build(self, work: Work) -> dict[str, np.ndarray]:
        values, names = work.decode("number", self.decode)
        work.log(f"number: {len(names)} usable")
        return {"values": values, "names": np.array(names)}


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Toy:
    toy = Toy()

    def preparation(name: str) -> Preparation:
        return Preparation(toy.version, toy.find, toy.build)

    monkeypatch.setattr(module, "preparation", preparation)
    monkeypatch.setattr("dmrnet.data.published.work.FILES_AT_ONCE", AT_ONCE)
    return toy


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number:04}.txt").write_text(f"{7 * number}")
    return folder


def is_right(root: Path, but: set[int] = frozenset()) -> None:
    """Assert that every value is next to the name of its own file, in order."""
    arrays, _ = read_cache("toy", str(root), 1)
    kept = [number for number in range(FILES) if number not in but]
    assert arrays["names"].tolist() == [f"{number:04}.txt" for number in kept]
    assert arrays["values"].tolist() == [[7 * number] * 3 for number in kept]


def test_everything_is_decoded_once_and_reported(toy: Toy, source: Path, tmp_path: Path) -> None:
    logged, progress = [], []
    path = prepare(
        "toy",
        [source],
        tmp_path / "a" / "root",
        log=logged.append,
        progress=lambda *where: progress.append(where),
    )
    assert path == tmp_path / "a" / "root" / "toy.npz"
    is_right(path.parent)
    assert toy.decoded == FILES
    assert {group for group, _, _ in progress} == {"number"}
    assert {total for _, _, total in progress} == {FILES}
    done = [count for _, count, _ in progress]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, FILES)
    assert logged[0] == f"number: {FILES} files in {source}"
    assert logged[1] == f"number: {FILES} usable"
    assert str(path) in logged[2]
    assert sorted(one.name for one in path.parent.iterdir()) == ["toy.json", "toy.npz"]


def test_an_interrupted_preparation_is_continued(toy: Toy, source: Path, tmp_path: Path) -> None:
    prepare("toy", [source], tmp_path / "whole")
    for die_at in (0, AT_ONCE - 1, AT_ONCE, FILES - 1):
        root = tmp_path / f"root{die_at}"
        toy.decoded, toy.die_at = 0, die_at
        with pytest.raises(KeyboardInterrupt):
            prepare("toy", [source], root)
        assert not (root / "toy.npz").exists()
        toy.decoded, toy.die_at = 0, None
        prepare("toy", [source], root)
        assert toy.decoded == FILES - die_at // AT_ONCE * AT_ONCE
        for name in ("toy.npz", "toy.json"):
            assert (root / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_files_changed_since_the_interruption_are_decoded_again(
    toy: Toy, source: Path, tmp_path: Path
) -> None:
    (source / "0003.txt").write_text("999")
    toy.die_at = FILES - 1
    with pytest.raises(KeyboardInterrupt):
        prepare("toy", [source], tmp_path / "root")
    (source / "0003.txt").write_text("21")
    toy.decoded, toy.die_at = 0, None
    prepare("toy", [source], tmp_path / "root")
    is_right(tmp_path / "root")
    assert toy.decoded == FILES - AT_ONCE


def test_a_damaged_part_is_decoded_again(toy: Toy, source: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    toy.die_at = FILES - 1
    with pytest.raises(KeyboardInterrupt):
        prepare("toy", [source], root)
    part = next(root.glob(".toy-1-parts/*.npz"))
    part.write_bytes(part.read_bytes()[:-30])
    toy.decoded, toy.die_at = 0, None
    prepare("toy", [source], root)
    is_right(root)
    assert toy.decoded == FILES - AT_ONCE


def test_a_finished_preparation_is_kept(toy: Toy, source: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    prepare("toy", [source], root)
    toy.decoded, logged = 0, []
    prepare("toy", [source], root, log=logged.append)
    assert toy.decoded == 0
    assert "nothing to do" in logged[0]
    os.utime(source / "0000.txt", (1, 1))
    prepare("toy", [source], root)
    assert toy.decoded == FILES
    toy.version, toy.decoded = 2, 0
    prepare("toy", [source], root)
    assert toy.decoded == FILES


def damage(source: Path) -> dict[str, str]:
    (source / "0007.txt").write_text("no number")
    (source / "0034.txt").write_text("")
    (source / "0035.txt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    (source / "0082.txt").rename(source / "gone")
    return {
        "0007.txt": "invalid literal for int",
        "0034.txt": "is empty",
        "0035.txt": "is a Git LFS pointer, not the file: run git lfs pull",
        "0082.txt": "is missing",
    }


def test_bad_files_are_all_named_and_refused(toy: Toy, source: Path, tmp_path: Path) -> None:
    expected = damage(source)
    with pytest.raises(ValueError, match="4 of the source are missing or damaged") as raised:
        prepare("toy", [source], tmp_path / "root")
    for name, reason in expected.items():
        assert f"{name} ({reason}" in str(raised.value)
    assert "(--bad)" in str(raised.value)
    assert not (tmp_path / "root" / "toy.npz").exists()


def test_bad_files_are_skipped_where_asked(toy: Toy, source: Path, tmp_path: Path) -> None:
    expected, root, logged = damage(source), tmp_path / "root", []
    with pytest.raises(ValueError, match="nothing was made"):
        prepare("toy", [source], root)
    toy.decoded = 0
    prepare("toy", [source], root, bad="skip", log=logged.append)
    assert toy.decoded == 0, "what was decoded before it was refused is taken over"
    is_right(root, {int(name[:4]) for name in expected})
    _, provenance = read_cache("toy", str(root), 1)
    assert [one.name for one in provenance.bad] == sorted(expected)
    for one in provenance.bad:
        assert one.reason.startswith(expected[one.name])
    (note,) = skipped_note(provenance)
    assert "4 number: 0007.txt" in note
    assert any("skipped 4 number: 0007.txt" in text for text in logged)
    # What was skipped once is not taken for whole by a call that wants everything.
    with pytest.raises(ValueError, match="nothing was made"):
        prepare("toy", [source], root)
    (source / "gone").rename(source / "0082.txt")
    for name in ("0007", "0034", "0035"):
        (source / f"{name}.txt").write_text(f"{7 * int(name)}")
    prepare("toy", [source], root)
    is_right(root)
    assert not skipped_note(read_cache("toy", str(root), 1)[1])


def rejected(root: Path) -> list[list[str]]:
    text = (root / "toy.rejected.txt").read_text()
    assert text.endswith("\n")
    return [line.split("\t") for line in text.removesuffix("\n").split("\n")]


@pytest.mark.parametrize("bad", ["refuse", "skip"])
def test_all_of_many_bad_files_are_listed(
    bad: Literal["refuse", "skip"], toy: Toy, source: Path, tmp_path: Path
) -> None:
    broken = [*range(5, 28), AT_ONCE + 3, FILES - 1]
    for number in broken:
        (source / f"{number:04}.txt").write_text("many\twords\non two lines")
    root, logged = tmp_path / "root", []
    if bad == "refuse":
        with pytest.raises(ValueError, match="25 of the source are missing or damaged") as raised:
            prepare("toy", [source], root)
        said = str(raised.value)
    else:
        prepare("toy", [source], root, bad="skip", log=logged.append)
        (said,) = (text for text in logged if text.startswith("skipped 25 number: "))
        is_right(root, set(broken))
        # The cache names its own list: a later preparation may reject other files.
        (note,) = skipped_note(read_cache("toy", str(root), 1)[1])
        assert "0009.txt (" in note
        assert "0010.txt" not in note
        assert note.endswith("and 20 more; all are listed in toy.json, next to the prepared data")
    assert "0014.txt (" in said
    assert "0015.txt" not in said
    assert f"and 15 more; all are listed in {root / 'toy.rejected.txt'}" in said
    found = rejected(root)
    assert [line[:2] for line in found] == [["number", f"{n:04}.txt"] for n in broken]
    for _, _, reason in found:
        assert reason.startswith("invalid literal for int")
    for number in broken:
        (source / f"{number:04}.txt").write_text(f"{7 * number}")
    prepare("toy", [source], root)
    is_right(root)
    assert sorted(one.name for one in root.iterdir()) == ["toy.json", "toy.npz"]


def test_the_list_is_of_the_latest_preparation(toy: Toy, source: Path, tmp_path: Path) -> None:
    root, path = tmp_path / "root", source / "0002.txt"
    prepare("toy", [source], root)
    (source / "0002.txt").rename(source / "gone")
    with pytest.raises(ValueError, match="0002") as raised:
        prepare("toy", [source], root)
    assert "all are listed" not in str(raised.value), "the one file is named as it is"
    assert rejected(root) == [["number", "0002.txt", "is missing"]]
    (source / "gone").rename(path)
    prepare("toy", [source], root)
    assert not (root / "toy.rejected.txt").exists(), "nothing was to do, and nothing is rejected"


def test_names_and_reasons_of_many_lines_take_one_line(tmp_path: Path) -> None:
    path = write_rejected("toy", tmp_path, [Rejected("sound", "a\tb\udcff.wav", "first\n\nsecond")])
    assert path.read_bytes() == b"sound\ta b\xff.wav\tfirst second\n"
    assert [one.name for one in tmp_path.iterdir()] == ["toy.rejected.txt"]


def test_names_need_not_be_unicode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").write_text("7")
    (tmp_path / "two").write_text("no number")
    files = [File("a\udcff", tmp_path / "one"), File("b\udcfe", tmp_path / "two")]

    def build(work: Work) -> dict[str, np.ndarray]:
        values, names = work.decode("number", lambda content: np.array(int(content)))
        return {"values": values, "names": np.array(names)}

    made = Preparation(1, lambda sources: {"number": files}, build)
    monkeypatch.setattr(module, "preparation", lambda name: made)
    root, logged = tmp_path / "root", []
    prepare("toy", [tmp_path], root, bad="skip", log=logged.append)
    assert r"skipped 1 number: b\udcfe (invalid literal" in "\n".join(logged)
    assert (root / "toy.rejected.txt").read_bytes().startswith(b"number\tb\xfe\tinvalid literal")
    arrays, provenance = read_cache("toy", str(root), 1)
    assert arrays["names"].tolist() == ["a\udcff"]
    assert [one.name for one in provenance.bad] == ["b\udcfe"]
    lines = [
        f"{hashlib.sha256(content).hexdigest()}  ".encode() + name + b"\n"
        for content, name in ((b"7", b"a\xff"), (b"no number", b"b\xfe"))
    ]
    # As sha256sum writes it, which knows names as bytes.
    assert provenance.groups["number"].sha256 == hashlib.sha256(b"".join(lines)).hexdigest()
    logged.clear()
    prepare("toy", [tmp_path], root, bad="skip", log=logged.append)
    assert logged[-1].endswith("nothing to do")


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bad=st.sets(st.integers(0, FILES - 1), max_size=40))
def test_nothing_shifts(bad: set[int], toy: Toy, source: Path, tmp_path: Path) -> None:
    for number in bad:
        (source / f"{number:04}.txt").write_text("damaged")
    prepare("toy", [source], tmp_path / "root", bad="skip")
    is_right(tmp_path / "root", bad)
    for number in bad:
        (source / f"{number:04}.txt").write_text(f"{7 * number}")


def test_if_nothing_can_be_used_the_first_files_are_named(
    toy: Toy, source: Path, tmp_path: Path
) -> None:
    for path in source.iterdir():
        path.write_text("x")
    with pytest.raises(ValueError, match=f"none of {FILES} files can be used.*0000.txt") as raised:
        prepare("toy", [source], tmp_path / "root", bad="skip")
    listed = tmp_path / "root" / "toy.rejected.txt"
    assert str(raised.value).endswith(f"; bad files are listed in {listed}")
    assert [line[1] for line in rejected(tmp_path / "root")] == [
        f"{n:04}.txt" for n in range(FILES)
    ]


def test_provenance_is_true(toy: Toy, source: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    prepare("toy", [source], root)
    found = json.loads((root / "toy.json").read_text())
    content = (root / "toy.npz").read_bytes()
    assert found["sha256"] == hashlib.sha256(content).hexdigest()
    assert found["bytes"] == len(content)
    assert found["arrays"] == {"values": f"int64 {FILES}x3", "names": f"<U8 {FILES}"}
    lines = subprocess.run(
        f"cd {source} && sha256sum *.txt", shell=True, check=True, capture_output=True
    ).stdout
    assert found["groups"] == {
        "number": {
            "source": str(source),
            "files": FILES,
            "sha256": hashlib.sha256(lines).hexdigest(),
        }
    }


def test_a_missing_cache_says_what_to_do(tmp_path: Path) -> None:
    command = f"dmrnet data prepare watch --source DIR --root {tmp_path} --allow-pickle "
    with pytest.raises(FileNotFoundError) as raised:
        read_cache("watch", str(tmp_path), 1, "--allow-pickle")
    assert command in str(raised.value)
    assert f"{tmp_path / 'watch.npz'} is not there" in str(raised.value)


def cut(root: Path) -> None:
    path = root / "toy.npz"
    path.write_bytes(path.read_bytes()[:-1])


def change(root: Path) -> None:
    content = bytearray((root / "toy.npz").read_bytes())
    content[len(content) // 3] ^= 255
    (root / "toy.npz").write_bytes(content)


@pytest.mark.parametrize(
    "harm",
    [
        cut,
        change,
        lambda root: (root / "toy.npz").unlink(),
        lambda root: (root / "toy.json").write_text("{}"),
        lambda root: (root / "toy.json").write_text("[1"),
        lambda root: (root / "toy.json").write_text("[]"),
    ],
    ids=["cut", "changed", "no-arrays", "empty-json", "cut-json", "other-json"],
)
def test_a_damaged_cache_is_reported_and_made_again(
    harm, toy: Toy, source: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    prepare("toy", [source], root)
    harm(root)
    with pytest.raises(ValueError, match="dmrnet data prepare toy --source DIR --root"):
        read_cache("toy", str(root), 1)
    prepare("toy", [source], root)
    is_right(root)


def test_files_that_are_of_no_preparation_stay(toy: Toy, source: Path, tmp_path: Path) -> None:
    for name, content in (("toy.npz", b"mine"), ("toy.json", b'{"mine": 1}')):
        root = tmp_path / name
        root.mkdir()
        (root / name).write_bytes(content)
        with pytest.raises(FileExistsError, match=f"{name} exists and is of no preparation"):
            prepare("toy", [source], root)
        assert [path.read_bytes() for path in root.iterdir()] == [content]
        with pytest.raises(ValueError, match="dmrnet data prepare toy"):
            read_cache("toy", str(root), 1)
    prepare("toy", [source], tmp_path / "root")
    (tmp_path / "root" / "toy.json").unlink()
    with pytest.raises(ValueError, match=r"is gone; remove .*toy\.npz, and dmrnet data prepare"):
        read_cache("toy", str(tmp_path / "root"), 1)


def test_a_cache_of_another_version_is_refused(toy: Toy, source: Path, tmp_path: Path) -> None:
    prepare("toy", [source], tmp_path / "root")
    with pytest.raises(ValueError, match=r"expected version 2 .*, got 1; run: dmrnet data prepare"):
        read_cache("toy", str(tmp_path / "root"), 2)


def test_wrong_calls_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mfeat needs no preparing; prepared are brats"):
        prepare("mfeat", [tmp_path], tmp_path)
    with pytest.raises(ValueError, match="unknown data set 'digit'; did you mean 'digits'"):
        prepare("digit", [tmp_path], tmp_path)
    with pytest.raises(ValueError, match="'absent' or 'refuse', got 'ask'"):
        prepare("digits", [tmp_path], tmp_path, bad="ask")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one source"):
        prepare("digits", [], tmp_path)
    with pytest.raises(FileNotFoundError, match=f"there is no source {tmp_path / 'x'}"):
        prepare("digits", [tmp_path / "x"], tmp_path)


def test_they_are_imported_without_torch() -> None:
    modules = ("published.preparation", "published.watch", "files.cache", "files.media.sound")
    names = ", ".join(f"dmrnet.data.{name}" for name in (*modules, "sets.published.digits"))
    script = f"import sys, {names}; sys.exit('torch' in sys.modules)"
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=paths)
