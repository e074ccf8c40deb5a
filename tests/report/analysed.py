"""Analyses with made-up numbers in the files of made-up runs."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np

from dmrnet.report.records.runs import read_runs
from dmrnet.report.summary.summary import summarise

NAMES = ("a", "b", "c")


def analyse(run, method, seed, shift=0.0, split="val", names=NAMES, modalities=None):
    """Write the files of analyses into a run folder."""
    modalities = modalities or names
    base = json.loads((run / "results.jsonl").read_text().splitlines()[0])
    lines, arrays = [], {}

    def add(analysis, combination, metric, value, n=30):
        changes = {"split": split, "combination": combination, "metric": metric}
        lines.append(base | changes | {"value": value, "n": n, "analysis": analysis})

    pairs = [*modalities, *("+".join(two) for two in combinations(modalities, 2))]
    for form in ("cosine", "printed"):
        for k, pair in enumerate(pairs):
            mean = 0.4 + 0.05 * k + shift + 0.01 * seed
            add("channel-distance", pair, form, mean)
            draw = np.random.default_rng(k).normal(mean, 0.1, 500).clip(0, 1.99)
            counts, edges = np.histogram(draw, bins=200, range=(0, 2))
            arrays[f"{split}/channel-distance/{form}/{pair}"] = counts
            arrays[f"{split}/channel-distance/edges"] = edges
    for suffix in ("", "_centred"):
        for metric, value in {
            "within": 30.0,
            "between": 41.0 + 10 * shift,
            "excess": 11.0 + 10 * shift,
            "directions": 20.0,
            "classes": 80.0,
            "directions_by_classes": 0.25,
        }.items():
            add("angles", "", metric + suffix, value + seed)
    names = [*modalities, *("+".join(two) for two in combinations(modalities, 2))]
    arrays[f"{split}/angles/combinations"] = np.array(names)
    for suffix in ("", "_centred"):
        draw = np.random.default_rng(seed).uniform(20, 60, (2, len(names), len(names)))
        table = (draw + draw.transpose(0, 2, 1)) / 2 + 10 * shift
        # A class that has no sample under a combination has no angle there.
        table[1, 0] = table[1, :, 0] = np.nan
        arrays[f"{split}/angles/between{suffix}"] = table
    add("variance", "", "variance", 1.25 + seed)
    for name in modalities:
        add("variance", name, "variance", 1.5)
    for name in ("mined", "by_variance", "by_loss"):
        add("hard-set", "", name, None if name == "mined" else 2 / 3)
        add("hard-set", "", f"{name}_chance", 3 / 7)
    add("hard-set", "", "loss_rank", 0.9)
    old = (run / "analyses.jsonl").read_text() if (run / "analyses.jsonl").is_file() else ""
    (run / "analyses.jsonl").write_text(old + "".join(json.dumps(x) + "\n" for x in lines))
    np.savez_compressed(run / "analyses.npz", **arrays)


def two_systems(make_run):
    """Make two analysed systems of two seeds."""
    made = []
    for k, method in enumerate(("sf-md", "dmr")):
        for seed in range(2):
            run = make_run(method, seed, modalities=NAMES, mined="variance" if k else None)
            analyse(run, method, seed, shift=0.1 * k)
            made.append(run)
    return made


def summary_of(runs, split="test"):
    """Summarise runs of one data set and score."""
    (summary,) = summarise(read_runs(runs, split), split, "sf-md")
    return summary
