"""Predictions of a finished run, in the form that the options of ``dmrnet predict`` choose."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
from torch import Tensor

from dmrnet.cli.predict.files import (
    as_npz,
    classes_as_csv,
    numbers_as_csv,
    with_skipped,
    write_label_maps,
)
from dmrnet.cli.predict.how_sure import HowSure
from dmrnet.cli.screen import counted, screen
from dmrnet.engine.predict import Predictable, predict_rows
from dmrnet.engine.scores.confidence import confidence_of, read_confidence
from dmrnet.engine.scores.thresholds import decided as decided_by
from dmrnet.storage import write_bytes
from dmrnet.targets import target_of
from dmrnet.text import escaped


def print_notes(of: Predictable, combination: str | None) -> None:
    """Print notes on the samples, except on what is expected: absent modalities, lengths."""
    expected = (" absent in ", " steps, ")
    notes = [note for note in of.dataset.notes if not any(words in note for words in expected)]
    every = len(of.dataset)
    if (left_out := every - len(of.rows)) > 0:
        notes.append(f"{left_out} of {every} rows have none of {combination}: left out")
    for note in notes:
        screen(error=True).print(f"warning: {note}", style="yellow", soft_wrap=True, markup=False)


def write_maps(of: Predictable, args: Namespace, out: Path) -> None:
    """Write a label map of each image or volume."""
    from dmrnet.cli.predict.volumes import write_volumes
    from dmrnet.data.volumes.rows import VolumeRows
    from dmrnet.engine.predict_maps import label_maps

    predicted = label_maps(of.run, of.dataset, of.rows, of.visible, args.batch_size, args.tile)
    maps = (batch for _, batch in predicted)
    what = "image"
    if isinstance(of.dataset, VolumeRows):
        what = "volume"
        write_volumes(out, of, maps, args.overwrite)
    elif out.suffix == ".npz":
        every = np.concatenate([batch.numpy() for batch in maps])
        write_bytes(out, as_npz(of, {"predicted": every}))
    else:
        write_label_maps(out, of, maps, args.overwrite)
    screen().print(f"{counted(len(of.rows), what)} predicted: {out}", soft_wrap=True)


def write_predictions(of: Predictable, args: Namespace, out: Path | None) -> None:
    """Write classes, labels or numbers of each sample, and the requested columns on confidence.

    Raises:
        ValueError: If confidence is requested, and the run does not predict one class per sample.
    """
    run, task, seen = of.run, of.run.task, of.seen
    if task.target != "classes" and (args.abstain_below or args.conformal or args.advise):
        raise ValueError(
            "expected a run with one class per sample for --abstain-below, --conformal and "
            f"--advise, got {task.target} in {args.run}"
        )
    confidence = None if args.uncalibrated else read_confidence(run.folder)
    if args.conformal or args.advise:
        confidence = confidence_of(run)
    probabilities = predict_rows(of, args.batch_size, confidence=confidence)
    decided = decided_by(run, probabilities, seen, confidence)
    sure = HowSure()
    if args.abstain_below:
        sure.abstain(probabilities, decided, args.abstain_below)
    if confidence is not None and args.conformal:
        sets = confidence.sets(probabilities, seen, args.conformal)
        sure.add_sets(sets, task.classes, args.conformal)
    if confidence is not None and args.advise:
        sure.add_advice(confidence.advise(probabilities, seen), task.modalities)
    for note in sure.notes:
        screen(error=True).print(note, style="dim", soft_wrap=True, markup=False)
    if out is not None and out.suffix == ".npz":
        write_bytes(out, _npz_of(of, probabilities, decided, sure))
    else:
        # File names need not be Unicode: written as on the disk, shown escaped.
        content = _csv_of(of, probabilities, decided, sure).encode(errors="surrogateescape")
        if out is None:
            text = content.decode(errors="backslashreplace")
            sys.stdout.write(escaped(text, keep="\n") if sys.stdout.isatty() else text)
        else:
            write_bytes(out, content)
    if out is not None:
        screen().print(f"{len(of.rows)} samples predicted: {out}", soft_wrap=True)


def _npz_of(of: Predictable, probabilities: Tensor, decided: Tensor, sure: HowSure) -> bytes:
    task, values = of.run.task, decided.numpy()
    arrays = {"predicted": np.array(task.classes)[values] if target_of(task).counts else values}
    if task.target != "regression":
        arrays |= {"probabilities": probabilities.numpy(), **sure.arrays}
    return as_npz(of, arrays)


def _csv_of(of: Predictable, probabilities: Tensor, decided: Tensor, sure: HowSure) -> str:
    dataset = of.dataset
    if of.run.task.target == "regression":
        text = numbers_as_csv(of, probabilities)
    else:
        text = classes_as_csv(of, probabilities, decided, sure)
    positions = of.rows if dataset.file_rows is None else dataset.file_rows[of.rows]
    return with_skipped(text, positions.tolist(), dataset.skipped)
