"""Analyses of a finished run: what its maps, embeddings and mining say beside its scores.

An analysis is asked for by name, with the combination it is taken at behind an ``@``:
``channel-distance``, ``channel-distance@image+sound``, ``angles``, ``variance``, ``hard-set``. That
whole name stands in the rows, so that two of them never mix.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.data.fingerprint import fingerprint
from dmrnet.data.loader import evaluation_batches
from dmrnet.engine.analysis_rows import Found, hard_set_rows, of_angles, of_distances, variance_rows
from dmrnet.engine.finished import Finished, open_run
from dmrnet.engine.folder import RunFolder, write_bytes, write_text
from dmrnet.engine.rows import row_of
from dmrnet.engine.selection import samples_at_once
from dmrnet.evaluation import Distances, channel_distance
from dmrnet.evaluation.channel_distance import FORMS, Form
from dmrnet.evaluation.combinations import rows_at_once
from dmrnet.hints import nearest
from dmrnet.modalities import Task, name_of, parse, some_combinations
from dmrnet.nn.fusion import common_grid, to_grid

AnalysisName = Literal["channel-distance", "angles", "variance", "hard-set"]

ANALYSES: tuple[AnalysisName, ...] = ("channel-distance", "angles", "variance", "hard-set")

FROM_DATA = ("channel-distance", "angles")
"""These put samples through the method; the others read what the run recorded."""

VERSION = 2
"""Goes up when an analysis finds more, or other numbers: then what stands there is made again."""

SAMPLES = 1000
"""So many samples of a split are looked at, drawn by seed 0 where there are more."""

MOST_COMBINATIONS = 63
"""Of more combinations than these, so many are drawn for angles, which compares them in pairs."""

EMBEDDINGS_OF_A_CLASS = 4096
"""Bounds the table of angles between all embeddings of a class."""


@dataclass(frozen=True)
class Analysis:
    """What is asked for.

    Attributes:
        text: As it was written; stands in the rows.
        name: Which analysis.
        at: bool ``(V,)``: the combination that it is taken at.
    """

    text: str
    name: AnalysisName
    at: Tensor


def read_analysis(text: str, modalities: Sequence[str]) -> Analysis:
    """Read ``NAME`` or ``NAME@COMBINATION``.

    Raises:
        ValueError: If the analysis or a modality is unknown, or it takes no combination.
    """
    name, mark, at = text.partition("@")
    for known in ANALYSES:
        if name == known:
            if mark and known not in FROM_DATA:
                raise ValueError(
                    f"{name} reads what training recorded of every combination; leave out "
                    f"{mark}{at}"
                )
            return Analysis(text, known, parse(at if mark else "all", modalities))
    raise ValueError(f"unknown analysis {name!r}; {nearest(name, ANALYSES)}")


def analyse_run(
    folder: Path,
    names: Sequence[str],
    split: str = "val",
    *,
    test: str | None = None,
    batch_size: int | None = None,
    device: str = "cpu",
    again: bool = False,
) -> list[dict[str, Any]]:
    """Make analyses of a finished run and write them into its folder.

    Rows go into ``analyses.jsonl``: the keys of a result row, and ``analysis``. Histograms and
    tables go into ``analyses.npz``, under ``SPLIT/ANALYSIS/...``. What stands there is not made
    again, unless it was made of other samples, or by a version that found less.

    Args:
        folder: Of the run.
        names: ``NAME`` or ``NAME@COMBINATION`` each; see `ANALYSES`.
        split: Of whose samples: ``val`` or ``test``.
        test: A file to take test samples from in place of the run's own.
        batch_size: Samples encoded together; by default by their size.
        device: Where the method goes.
        again: Make them anew.

    Returns:
        The rows of the analyses named, in that order.

    Raises:
        FileNotFoundError: If the folder holds no run, or its data are gone.
        ValueError: If the run has not finished, a name is unknown, or an analysis cannot be made.
    """
    if split not in ("val", "test"):
        raise ValueError(f"expected the split val or test, got {split!r}")
    run = open_run(folder, device)
    wanted = [read_analysis(text, run.task.modalities) for text in dict.fromkeys(names)]
    content = run.folder.read_facts().get("content", {}).get(split)
    dataset = None
    if test is not None:
        dataset = samples_of(run, split, test)
        content = fingerprint(dataset)
    mark = f"{content}, version {VERSION}"
    made = {} if again else _standing(run.folder, split, mark)
    todo = [analysis for analysis in wanted if analysis.text not in made]
    if todo:
        if any(analysis.name in FROM_DATA for analysis in todo) and dataset is None:
            dataset = samples_of(run, split)
        found = _make(run, todo, split, dataset, batch_size)
        _write(run, split, found, mark)
        made |= _standing(run.folder, split, mark)
    return [row for analysis in wanted for row in made[analysis.text]]


def samples_of(run: Finished, split: str, test: str | None = None) -> Dataset:
    """Return the samples of a split, checked to be those of the run's training.

    Raises:
        FileNotFoundError: If the data are gone.
        ValueError: If they are others than they were, or there is no test set.
    """
    if split == "test":
        return run.test_set(test)
    if test is not None:
        raise ValueError("a test file was given, but the split is val; analyse the split test")
    dataset = run.settings.data.load(run.settings.seed).val
    recorded = run.folder.read_facts().get("content", {}).get("val")
    if recorded not in (None, fingerprint(dataset)):
        raise ValueError(
            f"the val samples are not those that {run.folder.path} was trained beside; restore "
            "the data"
        )
    return dataset


def _make(
    run: Finished,
    todo: Sequence[Analysis],
    split: str,
    dataset: Dataset | None,
    batch_size: int | None,
) -> dict[str, Found]:
    """Make analyses, the encoders running once for all of them."""
    found: dict[str, Found] = {}
    lookers: list[ChannelDistance | EmbeddingAngles] = []
    for analysis in todo:
        if analysis.name == "variance":
            found[analysis.text] = variance_rows(run.folder)
        elif analysis.name == "hard-set":
            found[analysis.text] = hard_set_rows(run.folder, run.settings, run.task, split)
        elif analysis.name == "channel-distance":
            lookers.append(ChannelDistance(run, analysis))
        else:
            lookers.append(EmbeddingAngles(run, analysis))
    if lookers:
        assert dataset is not None
        look(run, dataset, lookers, batch_size)
        found |= {looker.analysis.text: looker.found() for looker in lookers}
    return {analysis.text: found[analysis.text] for analysis in todo}


@torch.inference_mode()
def look(
    run: Finished,
    dataset: Dataset,
    lookers: Sequence[ChannelDistance | EmbeddingAngles],
    batch_size: int | None = None,
) -> None:
    """Put samples through the encoders, once, and show what comes out to every looker."""
    rows = torch.arange(len(dataset))
    if len(rows) > SAMPLES:
        draw = torch.Generator().manual_seed(0)
        rows = torch.randperm(len(rows), generator=draw)[:SAMPLES].sort().values
    size = batch_size or samples_at_once(run.task)
    method = run.method
    for batch in evaluation_batches(dataset, size, rows=rows):
        here = batch.to(run.device)
        assert here.where is not None
        feats = method.encode(here.inputs, here.where)
        maps = method.maps(here.inputs, here.where, feats)
        prepared = method.prepared(feats)
        for looker in lookers:
            if isinstance(looker, ChannelDistance):
                looker.add(maps, here.present)
            else:
                looker.add(prepared, here.present, here.target)


class ChannelDistance:
    """Eq. 14-15 within each modality of a combination and between each two of them.

    The maps are those of the encoders, which see one modality each, so that no mask changes them:
    the combination says which modalities are compared, on the samples that have all of them.

    Args:
        run: What is looked at.
        analysis: With the combination.

    Raises:
        ValueError: If a modality gives a vector.
    """

    def __init__(self, run: Finished, analysis: Analysis) -> None:
        self.analysis = analysis
        self.at = analysis.at.to(run.device)
        names = run.task.modalities
        self.names = [name for name, here in zip(names, analysis.at.tolist(), strict=True) if here]
        self.pairs = [(m, n) for k, m in enumerate(self.names) for n in self.names[k:]]
        self.seen: dict[tuple[Form, str, str], Distances] = {
            (form, *pair): Distances() for form in FORMS for pair in self.pairs
        }

    def add(self, maps: Mapping[str, Tensor], present: Tensor) -> None:
        """Take in maps ``(B, C, H, W)``, and bool ``(B, V)``."""
        rows = (present | ~self.at).all(1).nonzero().squeeze(1)
        mine = {name: maps[name].index_select(0, rows) for name in self.names}
        for name, feature in mine.items():
            if feature.shape[2:].numel() == 1:
                raise ValueError(
                    f"modality {name} gives one position ({feature.shape[1]} x 1 x 1), and the "
                    "channels of a vector have no distance; name the combination of those that "
                    "give maps, as in channel-distance@A+B"
                )
        for m, n in self.pairs:
            first, second = mine[m], mine[n]
            if m != n:
                shapes = [_shape(first), _shape(second)]
                grid = common_grid(shapes)
                first, second = to_grid(first, grid), to_grid(second, grid)
            for form in FORMS:
                self._add(form, m, n, first, second)

    def _add(self, form: Form, m: str, n: str, first: Tensor, second: Tensor) -> None:
        # A channel's cosine distance to itself is 0, whatever the channel; as printed it is not.
        itself = m == n and form == "cosine"
        at_once = max(1, rows_at_once({"": first.new_zeros(1, first.shape[1], second.shape[1])}))
        for some, others in zip(first.split(at_once), second.split(at_once), strict=True):
            self.seen[form, m, n].add(channel_distance(some, others, form), itself)

    def found(self) -> Found:
        """Return rows and histograms."""
        return of_distances(self.seen)


def _shape(feature: Tensor) -> tuple[int, int, int]:
    _, channels, height, width = feature.shape
    return channels, height, width


class EmbeddingAngles:
    """Angles between inference embeddings of the combinations within a combination.

    Args:
        run: What is looked at.
        analysis: With the combination; all of them by default.

    Raises:
        ValueError: If every pixel has a class, so that a sample has none.
    """

    def __init__(self, run: Finished, analysis: Analysis) -> None:
        if run.task.dense:
            raise ValueError(
                "angles compares combinations of one class, but every pixel has a class of its own"
            )
        self.analysis = analysis
        self.method = run.method
        self.task: Task = run.task
        inside = int(analysis.at.sum())
        some = some_combinations(inside, MOST_COMBINATIONS, torch.Generator().manual_seed(0))
        self.combinations = torch.zeros(len(some), len(analysis.at), dtype=torch.bool)
        self.combinations[:, analysis.at] = some
        self.at_hand = self.combinations.to(run.device)
        self.parts: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, prepared: Mapping[str, Tensor], present: Tensor, target: Tensor) -> None:
        """Take in cached features ``(B, ...)``, bool ``(B, V)`` and classes ``(B,)``."""
        # A sample without a label is of no class.
        scored = (present | ~self.at_hand[:, None, :]).all(-1) & (target >= 0)
        rows = rows_at_once(prepared)
        embedded = []
        for mask in self.at_hand:
            parts = [
                self.method.embedding(
                    {name: f[start : start + rows] for name, f in prepared.items()},
                    mask.expand(min(rows, len(target) - start), -1),
                )
                for start in range(0, len(target), rows)
            ]
            embedded.append(torch.cat(parts).double().cpu())
        self.parts.append((torch.stack(embedded), scored.cpu(), target.cpu()))

    def found(self) -> Found:
        """Return rows and tables."""
        embeddings = torch.cat([part[0] for part in self.parts], 1)
        scored = torch.cat([part[1] for part in self.parts], 1)
        target = torch.cat([part[2] for part in self.parts])
        each = max(2, EMBEDDINGS_OF_A_CLASS // len(self.combinations))
        kept = torch.cat(
            [(target == c).nonzero().squeeze(1)[:each] for c in range(len(self.task.classes))]
        )
        names = [name_of(mask, self.task.modalities) for mask in self.combinations]
        vectors = self.method.class_vectors()
        return of_angles(
            embeddings[:, kept],
            scored[:, kept],
            target[kept],
            self.task.classes,
            names,
            None if vectors is None else vectors.double().cpu(),
        )


def _standing(folder: RunFolder, split: str, mark: str) -> dict[str, list[dict[str, Any]]]:
    """Return the analyses of a split that were made of what `mark` says, with their rows."""
    of = folder.read_facts().get("analysed", {})
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in folder.analysis_rows():
        if row["split"] == split and of.get(f"{split}/{row['analysis']}") == mark:
            rows.setdefault(row["analysis"], []).append(row)
    return rows


def _write(run: Finished, split: str, found: Mapping[str, Found], mark: str) -> None:
    """Write arrays, then rows, then what they were made of: what is cut short is made again."""
    folder = run.folder
    names = {f"{split}/{text}/" for text in found}
    arrays: dict[str, NDArray[Any]] = {}
    if folder.analysed.is_file():
        with np.load(folder.analysed) as saved:
            arrays = {key: saved[key] for key in saved.files if not key.startswith(tuple(names))}
    for text, one in found.items():
        arrays |= {f"{split}/{text}/{key}": value for key, value in one.arrays.items()}
    if arrays:
        buffer = BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        write_bytes(folder.analysed, buffer.getvalue())
    others = [
        row
        for row in folder.analysis_rows()
        if not (row["split"] == split and row["analysis"] in found)
    ]
    rows = [
        row_of(folder.name, run.settings, split, *line) | {"analysis": text}
        for text, one in found.items()
        for line in one.lines
    ]
    write_text(folder.analyses, "".join(json.dumps(row) + "\n" for row in [*others, *rows]))
    before = folder.read_facts().get("analysed", {})
    folder.write_facts(analysed={**before, **{f"{split}/{text}": mark for text in found}})
