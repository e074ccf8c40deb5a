"""Measure how sure predictions are: calibration, sets, advice, error detection of finished runs.

    python tools/confidence.py runs/winner/runs/digits-* runs/winner/runs/watch-*

Confidence is fitted on each run's validation samples and measured on its test samples. Rows of one
data set and method are averaged over seeds, with the standard error over seeds in brackets.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from dmrnet.confidence import Confidence, calibration_error, error_detection, reliability
from dmrnet.engine.predict import Predictable
from dmrnet.engine.run.finished import FinishedRun, open_run
from dmrnet.engine.scores.confidence import calibrated, fitted_on
from dmrnet.engine.scores.scoring import combinations_of, score
from dmrnet.engine.scores.uncertainty import uncertainty_rows
from dmrnet.evaluation import Evaluation

Figures = dict[str, float]


def main(argv: Sequence[str] | None = None) -> None:
    """Print a line of JSON for each run, then a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--level", type=float, default=0.9, help="of conformal sets [0.9]")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    by_system: dict[tuple[str, str], list[Figures]] = defaultdict(list)
    for path in args.runs:
        run = open_run(path)
        figures = measure(run, args.level)
        by_system[run.settings.data_label, run.settings.method.name].append(figures)
        _say(json.dumps({"run": path.name, **figures}))
    for (data, method), runs in by_system.items():
        _say(f"\n{data}, {method}, {len(runs)} seeds")
        for name in runs[0]:
            _say(f"  {name:28} {_mean([of[name] for of in runs])}")


def measure(run: FinishedRun, level: float) -> Figures:
    """Return what is measured of a run, averaged over combinations."""
    combinations = combinations_of(len(run.task.modalities))
    val, test = (
        score(run.method, run.samples(s), combinations, keep=True) for s in ("val", "test")
    )
    confidence = fitted_on(val)
    if confidence is None or test.predictions is None:
        raise ValueError(f"{run.folder.path}: expected 30 validation samples or more")
    return {
        **_calibration(confidence, test),
        **_sets(confidence, test, level, run.task.modalities),
        **_advice(confidence, test),
        **_detection(run, combinations, test),
    }


def _calibration(confidence: Confidence, test: Evaluation) -> Figures:
    predictions = test.predictions
    assert predictions is not None
    before = predictions.probabilities
    after = calibrated(confidence, before, test.combinations)
    errors = [
        calibration_error(*reliability(p, predictions.target, predictions.scored)).mean().item()
        for p in (before, after)
    ]
    tempered = (confidence.temperature != 1).double().mean().item()
    return {
        "combinations tempered": tempered,
        "ece before": errors[0],
        "ece after": errors[1],
        "ece change": errors[1] - errors[0],
    }


def _sets(
    confidence: Confidence, test: Evaluation, level: float, modalities: Sequence[str]
) -> Figures:
    """Return how often sets hold the true class, over all and for each single modality."""
    predictions = test.predictions
    assert predictions is not None
    after = calibrated(confidence, predictions.probabilities, test.combinations)
    held, size = [], []
    for row, mask in enumerate(test.combinations):
        scored = predictions.scored[row]
        seen = mask.expand(int(scored.sum()), -1)
        sets = confidence.sets(after[row][scored], seen, level)
        held.append(sets.gather(1, predictions.target[scored][:, None]).double().mean())
        size.append(sets.sum(1).double().mean())
    one = test.combinations.sum(1) == 1
    rates, sizes = torch.stack(held), torch.stack(size)
    alone = {
        f"of {modalities[int(mask.nonzero())]} alone": rate.item()
        for mask, rate in zip(test.combinations[one], rates[one], strict=True)
    }
    return {
        "sets hold the true class": rates.mean().item(),
        **alone,
        "of one modality, lowest": rates[one].min().item(),
        "classes in a set": sizes.mean().item(),
    }


def _advice(confidence: Confidence, test: Evaluation) -> Figures:
    """Return how far the error falls with the advised modality, and with a random missing one."""
    predictions = test.predictions
    assert predictions is not None
    right = (predictions.probabilities.argmax(-1) == predictions.target).double()
    advised, at_random = [], []
    for row, mask in enumerate(test.combinations):
        if bool(mask.all()):
            continue
        whole = predictions.scored.all(0)
        seen = mask.expand(int(whole.sum()), -1)
        which, _, _ = confidence.advise(predictions.probabilities[row][whole], seen)
        gains = torch.full((len(which), len(mask)), torch.nan, dtype=torch.float64)
        for other in (~mask).nonzero().flatten().tolist():
            wider = mask.clone()
            wider[other] = True
            at = int((test.combinations == wider).all(1).nonzero()[0])
            gains[:, other] = (right[at] - right[row])[whole]
        known = which >= 0
        if bool(known.any()):
            advised.append(gains[known].gather(1, which[known][:, None]).mean())
            at_random.append(gains[known].nanmean())
    fall, chance = torch.stack(advised).mean().item(), torch.stack(at_random).mean().item()
    return {"advised": fall, "at random": chance, "advice gains": fall - chance}


def _detection(run: FinishedRun, combinations: Tensor, test: Evaluation) -> Figures:
    """Return the AUROC of each uncertainty in telling wrong predictions, over combinations."""
    predictions = test.predictions
    assert predictions is not None
    dataset = run.samples("test")
    found: dict[str, list[float]] = defaultdict(list)
    for row, mask in enumerate(combinations):
        rows = (dataset.present | ~mask).all(1).nonzero().flatten()
        wrong = (predictions.probabilities[row].argmax(-1) != predictions.target)[rows]
        samples = Predictable(run, dataset, rows, mask)
        for name, values in uncertainty_rows(samples).items():
            found[name].append(error_detection(values, wrong))
    means = {name: _known_mean(values) for name, values in found.items()}
    differences = {
        f"auroc {name} - softmax": means[name] - means["softmax"]
        for name in means
        if name != "softmax"
    }
    return {f"auroc {name}": value for name, value in means.items()} | differences


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _known_mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _mean(values: Sequence[float]) -> str:
    mean = sum(values) / len(values)
    if len(values) < 2:
        return f"{mean:+.4f}"
    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))
    return f"{mean:+.4f} ({spread:.4f})"


if __name__ == "__main__":
    main()
