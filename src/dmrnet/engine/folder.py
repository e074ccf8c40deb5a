"""A run as a folder: what stands in it, written so that a crash leaves no half of anything."""

from __future__ import annotations

import csv
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

METRICS_HEAD = "epoch,metric,value\n"
ASIDE = ".part"
"""Ends the names of files that are being written."""


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: under another name in its folder, then renamed."""
    write_together({path: data})


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write files that belong together: none is put in its place before all are on the disk.

    A full disk leaves all as they were. A crash between two renames can leave a new file beside
    an old one; whoever must know writes a fingerprint of the one into the other.
    """
    asides = {path: path.with_name(f".{path.name}.{os.getpid()}{ASIDE}") for path in files}
    at = Path()
    try:
        for at, data in files.items():
            at.parent.mkdir(parents=True, exist_ok=True)
            with asides[at].open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        for at, aside in asides.items():
            aside.replace(at)
    except OSError as error:
        # A full disk does not say which file it was.
        raise OSError(error.errno, error.strerror, str(at)) from error
    finally:
        for aside in asides.values():
            # Whether it was made or not; a folder that cannot be made has none.
            with suppress(OSError):
                aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    write_bytes(path, text.encode())


class RunFolder:
    """Names the files of a run and writes its records.

    Args:
        path: The folder; made when something is first written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.facts = path / "run.json"
        self.results = path / "results.jsonl"
        self.variance = path / "variance.jsonl"
        self.metrics = path / "metrics.csv"
        self.predictions = path / "predictions.npz"
        self.pictures = path / "pictures.npz"
        self.analyses = path / "analyses.jsonl"
        self.analysed = path / "analyses.npz"
        self.standardiser = path / "standardiser.safetensors"
        self.weights = path / "checkpoints" / "best.safetensors"
        self.checkpoints = path / "checkpoints"

    @property
    def name(self) -> str:
        """The name under which its rows go."""
        return self.path.resolve().name

    def read_facts(self) -> dict[str, Any]:
        """Return what ``run.json`` says.

        Raises:
            FileNotFoundError: If the folder holds no run.
            ValueError: If the file is damaged.
        """
        if not self.facts.is_file():
            raise FileNotFoundError(
                f"{self.path} holds no run (no run.json); train one with "
                f"dmrnet fit --out {self.path}"
            )
        return _object(self.facts.read_bytes(), str(self.facts))

    @property
    def trained(self) -> bool:
        """Whether it holds a run that is trained to its end."""
        return self.facts.is_file() and bool(self.read_facts().get("finished"))

    def write_facts(self, **facts: Any) -> None:  # noqa: ANN401
        """Write ``run.json``: the facts given, versions and the git commit."""
        write_bytes(self.facts, self._facts(facts))

    def _facts(self, more: Mapping[str, Any]) -> bytes:
        known = self.read_facts() if self.facts.is_file() else surroundings()
        return f"{json.dumps({**known, **more}, indent=2)}\n".encode()

    def rows(self) -> list[dict[str, Any]]:
        """Return the result rows that stand there; none where nothing was written.

        Raises:
            ValueError: If a line is damaged.
        """
        return _objects(self.results)

    def put_rows(self, split: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replace the result rows of a split; those of others stay."""
        write_bytes(self.results, self._rows(split, rows))

    def _rows(self, split: str, rows: Iterable[Mapping[str, Any]]) -> bytes:
        others = [row for row in self.rows() if row["split"] != split]
        return "".join(json.dumps(row) + "\n" for row in [*others, *rows]).encode()

    def put_test(
        self,
        rows: Iterable[Mapping[str, Any]],
        made: Mapping[Path, bytes | None],
        **facts: Any,  # noqa: ANN401
    ) -> None:
        """Replace what an evaluation on test samples gave: rows, other files and facts, together.

        Args:
            rows: Of the split ``test``.
            made: Other files; of None, that of an evaluation before goes.
            facts: Go into ``run.json``.
        """
        files = {path: data for path, data in made.items() if data is not None}
        write_together(
            files | {self.results: self._rows("test", rows), self.facts: self._facts(facts)}
        )
        for path in made.keys() - files.keys():
            path.unlink(missing_ok=True)

    def put_analyses(
        self,
        rows: Iterable[Mapping[str, Any]],
        arrays: bytes | None,
        **facts: Any,  # noqa: ANN401
    ) -> None:
        """Write all rows of analyses, their arrays if there are any, and facts, together."""
        lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
        files = {self.analyses: lines, self.facts: self._facts(facts)}
        write_together(files if arrays is None else {self.analysed: arrays} | files)

    def analysis_rows(self) -> list[dict[str, Any]]:
        """Return the rows of analyses that stand there; none where nothing was written.

        Raises:
            ValueError: If a line is damaged.
        """
        return _objects(self.analyses)

    def statistics(self) -> list[dict[str, Any]]:
        """Return what every epoch saw of each combination, as ``variance.jsonl`` has it.

        Raises:
            ValueError: If a line is damaged.
        """
        return _objects(self.variance)

    def add_metrics(self, epoch: int, values: Mapping[str, float]) -> None:
        """Append an epoch's figures to ``metrics.csv``: epoch, metric, value."""
        with self.metrics.open("a", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerows((epoch, name, repr(float(value))) for name, value in values.items())

    def losses(self) -> list[float]:
        """Return the mean loss of every epoch that stands in ``metrics.csv``, in order."""
        fields = (line.rstrip().split(",") for line in _whole_lines(self.metrics)[1:])
        return [float(value) for _, name, value in fields if name == "loss"]

    def add_variance(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append an epoch's combinations to ``variance.jsonl``."""
        with self.variance.open("a") as stream:
            stream.writelines(json.dumps(row) + "\n" for row in rows)

    def begin_at(self, epoch: int) -> None:
        """Make ready to append from an epoch on.

        What was appended of that epoch and later ones goes, since they will run again; so do half a
        line and half-written files that a killed process left. Scores, predictions and analyses
        go, which are of other weights than those that will be; so do checkpoints of later epochs,
        which could not be read, and from the first epoch on the weights.
        """
        made = (self.results, self.predictions, self.pictures, self.analyses, self.analysed)
        for path in (*made, *([] if epoch else [self.weights])):
            path.unlink(missing_ok=True)
        for path in self.checkpoints.glob("epoch-*.ckpt"):
            number = path.stem.removeprefix("epoch-")
            if number.isdecimal() and int(number) >= epoch:
                path.unlink(missing_ok=True)
        lines = _whole_lines(self.metrics)[1:]
        kept = [line for line in lines if int(line.partition(",")[0]) < epoch]
        write_text(self.metrics, METRICS_HEAD + "".join(kept))
        lines = _whole_lines(self.variance)
        kept = [line for line in lines if json.loads(line)["epoch"] < epoch]
        write_text(self.variance, "".join(kept))
        for folder in (self.path, self.checkpoints):
            for left in folder.glob(f".*{ASIDE}"):
                left.unlink(missing_ok=True)


def _objects(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    lines = enumerate(path.read_bytes().splitlines(), 1)
    return [_object(line, f"{path}, line {number}") for number, line in lines if line]


def _object(text: bytes, where: str) -> dict[str, Any]:
    """Read a JSON object, or say that it is none, and where."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(
            f"{where}: expected a JSON object as dmrnet writes it, got something else ({error}); "
            "restore it, or train into another --out"
        ) from error
    if not isinstance(found, dict):
        raise ValueError(
            f"{where}: expected a JSON object as dmrnet writes it, got {type(found).__name__}; "
            "restore it, or train into another --out"
        )
    return found


def _whole_lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    return [x for x in path.read_text().splitlines(keepends=True) if x.endswith("\n")]


def surroundings() -> dict[str, Any]:
    """Return versions, machine, time and the git commit of this package, if it is in a checkout.

    The commit ends in ``+changes`` where tracked files differ from it.
    """
    packages = {}
    for name in ("dmrnet", "torch", "torchvision", "lightning", "timm", "numpy"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "not installed"
    return {
        "versions": {"python": platform.python_version(), **packages},
        "platform": platform.platform(),
        "commit": package_commit(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def package_commit() -> str | None:
    """Return the git commit of the checkout that this package runs from, or None."""
    here = Path(__file__)

    def git(*words: str) -> str:
        command = ["git", "-C", str(here.parent), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
        return done.stdout.strip()

    try:
        # An installed copy may stand inside somebody else's repository.
        git("ls-files", "--error-unmatch", here.name)
        changes = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+changes" if changes else "")
    except (OSError, subprocess.SubprocessError):
        return None
