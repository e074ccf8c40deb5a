"""Pictures of samples on the page: the best system's, bounded, or a reason for none."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dmrnet.data.registry import DATASETS
from dmrnet.report import build_report
from dmrnet.report.figures.samples import LARGEST, sample_figure
from dmrnet.report.mistakes.shown import read_shown, shown_samples
from dmrnet.report.pages.section import PUBLISHED
from dmrnet.report.records.rows import RowError
from dmrnet.report.records.runs import read_runs
from dmrnet.report.summary.summary import summarise

NAMES = ("cam", "imu")
pytestmark = pytest.mark.usefixtures("no_png", "samples_alone")


@pytest.fixture
def samples_alone(monkeypatch):
    """Draw no other figure."""
    for name in ("score_figures", "variance_figures"):
        monkeypatch.setattr(f"dmrnet.report.pages.section.{name}", lambda *_: [])


def add_shown(run, side=16, **changes):
    draw = np.random.default_rng(0)
    arrays = {
        "index": np.arange(6) * 7,
        "target": np.array([0, 1, 2, 0, 1, 2]),
        "present": np.array([[True, True]] * 5 + [[True, False]]),
        "combination": np.array(["cam+imu", "imu"]),
        "predicted": np.array([[0, 1, 1, 2, 1, 2], [1, 2, 1, 2, 1, 2]]),
        "classes": np.array(["cat", "dog", "<b>"]),
        "input/cam": draw.integers(0, 255, (6, 3, side, side)).astype(np.uint8),
        "input/imu": draw.integers(0, 255, (6, 3, 40)).astype(np.uint8),
    }
    np.savez(run / "shown.npz", **(arrays | changes))
    return run / "shown.npz"


def summary_of(runs, split="test"):
    return summarise(read_runs(runs, split), split, "sf-md")[0]


def test_samples_are_on_the_page(make_run, tmp_path):
    runs = [make_run(name, modalities=NAMES, gain=gain) for name, gain in (("x", 0), ("y", 0.5))]
    for run in runs:
        add_shown(run)
    label, shown = shown_samples(summary_of(runs))
    assert label == "y"
    assert shown.index == (0, 7, 14, 21, 28, 35)
    page = build_report(runs, tmp_path / "out").page.read_text()
    figure = page[page.index("<h3>Samples</h3>") :].split("</figure>")[0]
    for text in ("true: cat", "all: dog ✗", "imu: dog ✗", "imu: &lt;b&gt; ✓", "missing"):
        assert f">{text}<" in figure
    # Pictures of six samples in colour.
    assert figure.count("data:image/png;base64,") == 6
    page = build_report(runs, tmp_path / "none", samples=False).page.read_text()
    assert "Samples: left out, as requested." in page
    assert "data:image" not in page


def test_every_data_set_of_the_package_is_published_or_the_users_own():
    own = {"arrays", "table", "images", "volumes", "given"}
    assert PUBLISHED | own == {name for name in DATASETS if DATASETS.is_builtin(name)}


@pytest.mark.parametrize(
    "own", ["arrays data/train.npz", "given (train=data-1)", "table", "my-set (rows=9)"]
)
def test_own_samples_are_shown_only_when_asked_for(make_run, tmp_path, own):
    run = make_run(modalities=NAMES)
    add_shown(run)
    rows = (run / "results.jsonl").read_text().replace('"mfeat"', json.dumps(own))
    assert own in rows
    (run / "results.jsonl").write_text(rows)
    report = build_report([run], tmp_path / "out")
    page = report.page.read_text()
    assert report.own_left_out
    assert "Samples: left out, since they are of your own data" in page
    assert "data:image" not in page
    report = build_report([run], tmp_path / "asked", samples=True)
    assert not report.own_left_out
    assert report.page.read_text().count("data:image/png;base64,") == 6


@pytest.mark.usefixtures("no_pictures")
def test_large_pictures_are_shrunk(make_run):
    shown = read_shown(add_shown(make_run(modalities=NAMES), side=160))
    assert len(sample_figure("x", shown, NAMES, "made").svg) <= LARGEST


@pytest.mark.parametrize("kind", ["labels", "numbers"])
def test_labels_and_numbers(make_run, kind):
    truth = np.array([[1, 0, 1]] * 6) if kind == "labels" else np.full((6, 1), 2.5)
    guess = np.stack([truth, truth])
    guess[1, 0, 0] = 0
    path = add_shown(make_run(modalities=NAMES), target=truth, predicted=guess)
    svg = sample_figure("x", read_shown(path), NAMES, "made").svg
    labels, numbers = ("all: cat, &lt;b&gt; ✓", "imu: &lt;b&gt; ✗"), ("imu: 0", "true: 2.5")
    for text in labels if kind == "labels" else numbers:
        assert f">{text}<" in svg


def test_why_there_are_none(make_run):
    run = make_run(modalities=NAMES)
    assert "keep no samples; `dmrnet evaluate" in shown_samples(summary_of([run]))
    assert "validation" in shown_samples(summary_of([run], "val"))
    facts = json.loads((run / "run.json").read_text())
    facts["inputs"] = {name: {"kind": "vector", "shape": [3]} for name in NAMES}
    (run / "run.json").write_text(json.dumps(facts))
    assert "no modality is an image" in shown_samples(summary_of([run]))
    add_shown(run, index=np.arange(3))
    with pytest.raises(RowError, match=r"shown\.npz: expected predictions"):
        shown_samples(summary_of([run]))
