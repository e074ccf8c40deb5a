"""Calibration of systems, from counts that a run keeps, against errors added by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dmrnet.report import build_report
from dmrnet.report.records.runs import read_runs
from dmrnet.report.summary.calibration import calibration_of
from dmrnet.report.summary.summary import summarise

NAMES = ("ir", "rgb")
COMBINATIONS = ("ir", "rgb", "ir+rgb")


def keep(run, counts, combinations=COMBINATIONS):
    """Store counts, and predictions of one sample that they need not fit."""
    shape = (len(combinations), 1)
    np.savez(
        run / "predictions.npz",
        combination=np.array(combinations),
        index=np.zeros(1, np.int64),
        target=np.zeros(1, np.int64),
        scored=np.ones(shape, bool),
        predicted=np.zeros(shape, np.int16),
        reliability=counts,
    )


@pytest.fixture
def runs(make_run):
    found = []
    for seed in range(2):
        run = make_run("sf-md", seed, modalities=NAMES, mined=None)
        # Two stages, three combinations, two bins of number, confidence and right ones.
        before = np.array([[[0, 0, 0], [100, 90, 60 + seed]]] * 3, dtype=float)
        after = np.array([[[20, 8, 8], [80, 56, 53]]] * 3, dtype=float)
        keep(run, np.stack([before, after]))
        found.append(run)
    return found


def test_errors_are_gaps_of_bins_averaged_over_combinations(runs):
    (summary,) = summarise(read_runs(runs, "test"), "test", "sf-md")
    (one,) = calibration_of(summary)
    assert one.label == "sf-md"
    assert one.errors["before", 0].values == pytest.approx((0.3, 0.29))
    assert one.errors["before", 2].values == pytest.approx((0.3, 0.29))
    assert one.errors["after", 1].values == pytest.approx((0.03, 0.03))
    assert one.counts["before"].tolist() == [[0, 0, 0], [600, 540, 363]]


@pytest.mark.usefixtures("no_pictures")
def test_a_report_shows_them(runs, tmp_path):
    report = build_report(runs, tmp_path / "report")
    page, text = report.page.read_text("utf-8"), report.markdown.read_text("utf-8")
    assert page.count("Can probabilities be believed?") == 1
    assert "3.00 (before 29.50)" in text
    assert any(path.name.endswith("-reliability.svg") for path in report.figures)


def test_counts_of_another_shape_are_refused(runs):
    keep(runs[0], np.zeros((2, 2, 2, 3)))
    (summary,) = summarise(read_runs(runs, "test"), "test", "sf-md")
    with pytest.raises(ValueError, match="expected reliability of shape"):
        calibration_of(summary)
