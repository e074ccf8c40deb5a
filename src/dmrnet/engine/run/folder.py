"""The files of a run folder, written so that a crash leaves each of them whole."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import NoneType
from typing import Any

from dmrnet.engine.run.environment import environment
from dmrnet.storage import (
    append_json_lines,
    check_folder,
    complete_lines,
    json_lines,
    read_json,
    read_json_lines,
    remove_partial,
    write_bytes,
    write_text,
    write_together,
)
from dmrnet.text import escaped, shell

METRICS_HEAD = "epoch,metric,value\n"

_TEXT, _COUNT, _TRUTH, _NUMBER = (str,), (int,), (bool,), (int, float, NoneType)
_KINDS = {_TEXT: "text", _COUNT: "a whole number", _NUMBER: "a number or null"}
_KINDS[_TRUTH] = "true or false"

_JSON = {dict: "mapping", list: "list", int: "number"}

FACTS: dict[str, type[dict[str, Any]] | type[list[Any]] | type[int]] = {
    **dict.fromkeys(
        ("inputs", "samples", "content", "files", "beside", "presence", "features"), dict
    ),
    **dict.fromkeys(("modalities", "classes", "columns", "notes"), list),
    **dict.fromkeys(("max_epochs", "best_epoch", "batch_size"), int),
}
"""Kinds of the facts that others read, where they are there."""

ROW = {"split": _TEXT, "combination": _TEXT, "metric": _TEXT, "value": _NUMBER, "n": _COUNT}
"""Types of the values that a result row needs, by key."""

EPOCH_ROW = {"epoch": _COUNT, "combination": _TEXT, "mean_variance": _NUMBER, "mean_loss": _NUMBER}
EPOCH_ROW |= {"hard": _TRUTH}
"""Types of the values that a row of ``variance.jsonl`` needs, by key."""


class RunFolder:
    """Names the files of a run, reads its records and writes them.

    Args:
        path: The folder; made when something is first written.
    """

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        self.path = path
        self.config = path / "config.yaml"
        self.facts = path / "run.json"
        self.results = path / "results.jsonl"
        self.variance = path / "variance.jsonl"
        self.metrics = path / "metrics.csv"
        self.predictions = path / "predictions.npz"
        self.confusion = path / "confusion.npz"
        self.pictures = path / "pictures.npz"
        self.shown = path / "shown.npz"
        self.analyses = path / "analyses.jsonl"
        self.analysis_arrays = path / "analyses.npz"
        self.standardiser = path / "standardiser.safetensors"
        self.confidence = path / "confidence.npz"
        self.checkpoints = path / "checkpoints"
        self.weights = self.checkpoints / "best.safetensors"

    @property
    def name(self) -> str:
        """Name of the folder, which is the run's name in its rows; hidden characters escaped."""
        return escaped(self.path.resolve().name)

    def check_own(self) -> None:
        """Refuse a folder with files of these names that no run has written.

        Raises:
            FileExistsError: If there is such a file.
            NotADirectoryError: If a file is in the folder's place.
        """
        check_folder(self.path)
        if self.facts.is_file() and {"versions", "finished"} & self.read_facts().keys():
            return
        paths = [path for name, path in vars(self).items() if name not in ("path", "weights")]
        foreign = next((path for path in paths if os.path.lexists(path)), None)
        if foreign is not None:
            raise FileExistsError(
                f"{foreign} exists and is of no run; choose another folder (out, --out), or move "
                "it away"
            )

    def check_there(self) -> None:
        """Refuse to go on where another process has removed the folder of a run in training.

        Raises:
            FileNotFoundError: If ``run.json`` is gone.
        """
        if not self.facts.is_file():
            raise FileNotFoundError(
                f"{self.facts} is gone: it, or its folder, was removed while the run was trained; "
                "train it again"
            )

    @property
    def trained(self) -> bool:
        """Whether the folder holds a run that was trained to its end."""
        return self.facts.is_file() and bool(self.read_facts().get("finished"))

    def read_facts(self) -> dict[str, Any]:
        """Return the content of ``run.json``.

        Raises:
            FileNotFoundError: If the folder holds no run.
            ValueError: If the file is damaged.
        """
        if not self.facts.is_file():
            raise FileNotFoundError(
                f"{self.path} holds no run (no run.json); train one into it with fit "
                f"({shell('out,', '--out', self.path)})"
            )
        try:
            facts = read_json(self.facts)
            for key, kind in FACTS.items():
                if facts.get(key) is not None and not isinstance(facts[key], kind):
                    raise ValueError(
                        f"{self.facts}: expected a {_JSON[kind]} as {key}, got {facts[key]!r}; "
                        "restore the file"
                    )
        except ValueError as error:
            raise ValueError(f"{error}, or train into another folder (out, --out)") from error
        return facts

    def fact(self, key: str) -> Any:  # noqa: ANN401
        """Return one of `FACTS` that every run has.

        Raises:
            FileNotFoundError: If the folder holds no run.
            ValueError: If ``run.json`` is damaged, or lacks it.
        """
        value = self.read_facts().get(key)
        if value is None:
            raise ValueError(
                f"{self.facts}: expected a {_JSON[FACTS[key]]} as {key}, got none; restore the "
                "file, or train into another folder (out, --out)"
            )
        return value

    def write_facts(self, first: bool = False, **facts: Any) -> None:  # noqa: ANN401
        """Add facts to ``run.json``; when first written, also versions and the git commit."""
        if not first:
            self.check_there()
        write_bytes(self.facts, self._with_facts(facts))

    def _with_facts(self, new: Mapping[str, Any]) -> bytes:
        known = self.read_facts() if self.facts.is_file() else environment()
        return f"{json.dumps({**known, **new}, indent=2)}\n".encode()

    def rows(self) -> list[dict[str, Any]]:
        """Return the result rows; none before the first are written."""
        return _records(self.results, ROW)

    def analysis_rows(self) -> list[dict[str, Any]]:
        """Return the rows of analyses; none before the first are written."""
        return _records(self.analyses, {**ROW, "analysis": _TEXT})

    def statistics(self) -> list[dict[str, Any]]:
        """Return the rows of ``variance.jsonl``: one for each epoch and combination."""
        return _records(self.variance, EPOCH_ROW)

    def put_rows(self, split: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replace the result rows of a split; those of other splits stay."""
        write_bytes(self.results, self._with_rows(split, rows))

    def _with_rows(self, split: str, rows: Iterable[Mapping[str, Any]]) -> bytes:
        others = [row for row in self.rows() if row["split"] != split]
        return json_lines([*others, *rows]).encode()

    def put_test(
        self,
        rows: Iterable[Mapping[str, Any]],
        contents: Mapping[Path, bytes | None],
        **facts: Any,  # noqa: ANN401
    ) -> None:
        """Replace the results of an earlier evaluation on test samples, all of them together.

        Args:
            rows: Result rows of the split ``test``.
            contents: Contents of other files; None removes that of an earlier evaluation.
            facts: Facts for ``run.json``, to which the fingerprints of the other files are added.
        """
        files = {path: data for path, data in contents.items() if data is not None}
        from dmrnet.data.dataset import fingerprint_of_bytes

        # A crash may leave a file of one evaluation next to rows of another; fingerprints show it.
        facts["evaluated"] = {path.name: fingerprint_of_bytes(data) for path, data in files.items()}
        records = {self.results: self._with_rows("test", rows), self.facts: self._with_facts(facts)}
        write_together(files | records)
        for path in contents.keys() - files.keys():
            path.unlink(missing_ok=True)

    def put_analyses(
        self,
        rows: Iterable[Mapping[str, Any]],
        arrays: bytes | None,
        **facts: Any,  # noqa: ANN401
    ) -> None:
        """Write all rows of analyses, their arrays if there are any, and facts, together."""
        files = {self.analyses: json_lines(rows).encode(), self.facts: self._with_facts(facts)}
        write_together(files if arrays is None else {self.analysis_arrays: arrays} | files)

    def add_metrics(self, epoch: int, values: Mapping[str, float]) -> None:
        """Append an epoch's figures to ``metrics.csv``: epoch, metric, value."""
        with self.metrics.open("a", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerows((epoch, name, repr(float(value))) for name, value in values.items())

    def losses(self) -> list[float]:
        """Return the mean loss of each epoch in ``metrics.csv``, in order."""
        fields = (line.rstrip().split(",") for line in complete_lines(self.metrics)[1:])
        return [float(value) for _, name, value in fields if name == "loss"]

    def add_variance(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append an epoch's combinations to ``variance.jsonl``."""
        append_json_lines(self.variance, rows)

    def begin_at(self, epoch: int) -> None:
        """Prepare the records for a training that starts, or goes on, at an epoch.

        What was appended in that epoch and later ones is removed, since they will run again, and so
        are half-written lines and files of a killed process. Scores, predictions and analyses are
        removed, since they belong to other weights; so are checkpoints of later epochs, which may
        be unreadable, and, from the first epoch on, the weights.
        """
        outdated = [self.results, self.predictions, self.confusion]
        outdated += [self.pictures, self.shown]
        outdated += [self.analyses, self.analysis_arrays, self.confidence]
        outdated += [] if epoch else [self.weights]
        for path in outdated:
            path.unlink(missing_ok=True)
        for path in self.checkpoints.glob("epoch-*.ckpt"):
            number = path.stem.removeprefix("epoch-")
            if number.isdecimal() and int(number) >= epoch:
                path.unlink(missing_ok=True)
        metrics = complete_lines(self.metrics)[1:]
        metrics = [line for line in metrics if int(line.partition(",")[0]) < epoch]
        write_text(self.metrics, METRICS_HEAD + "".join(metrics))
        statistics = complete_lines(self.variance)
        statistics = [line for line in statistics if json.loads(line)["epoch"] < epoch]
        write_text(self.variance, "".join(statistics))
        remove_partial(self.path)
        remove_partial(self.checkpoints)


def _records(path: Path, form: Mapping[str, tuple[type, ...]]) -> list[dict[str, Any]]:
    """Return the records of a file of JSON lines; a damaged line is a `ValueError`."""
    if not path.is_file():
        return []
    records = []
    try:
        for where, record in read_json_lines(path):
            for key, kinds in form.items():
                value = record.get(key, ...)
                if not isinstance(value, kinds) or isinstance(value, bool) != (kinds is _TRUTH):
                    got = "none" if value is ... else repr(value)
                    raise ValueError(
                        f"{where}: expected {_KINDS[kinds]} as {key}, got {got}; restore the file"
                    )
            records.append(record)
    except ValueError as error:
        raise ValueError(f"{error}, or train into another folder (out, --out)") from error
    return records
