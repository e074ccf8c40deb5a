"""Predictions of made-up runs, of every kind of target."""

from __future__ import annotations

import json

import numpy as np


def add_predictions(run, modalities, *, kind="classes", classes=4, n=60, seed=0):
    """Write predictions of every combination into a run folder, and return them.

    Returns:
        ``(names, target, predicted)``: predicted ``(K, n)``, of labels and numbers ``(K, n, M)``.
    """
    draw = np.random.default_rng(seed)
    rows = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    names = list(dict.fromkeys(row["combination"] for row in rows if row["combination"]))
    if kind == "classes":
        target = np.arange(n) % classes
        wrong = draw.random((len(names), n)) < 0.3
        guess = np.where(wrong, draw.integers(0, classes, (len(names), n)), target).astype(np.int16)
    elif kind == "labels":
        target = (draw.random((n, classes)) < 0.4).astype(np.int64)
        flip = draw.random((len(names), n, classes)) < 0.2
        guess = np.where(flip, 1 - target, target).astype(np.int16)
    else:
        target = draw.normal(20, 5, (n, classes))
        guess = target + draw.normal(0, 1, (len(names), n, classes))
    np.savez_compressed(
        run / "predictions.npz",
        index=np.arange(n),
        combination=np.array(names),
        target=target,
        scored=np.ones((len(names), n), bool),
        predicted=guess,
    )
    facts = json.loads((run / "run.json").read_text())
    facts |= {"classes": [f"c{k}" for k in range(classes)], "modalities": list(modalities)}
    (run / "run.json").write_text(json.dumps(facts))
    return names, target, guess
