"""From a study like `winner`, in parts, to its page."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path

import pytest
from tests.studies.here import run_here

from dmrnet.cli import main

# A study of 27 runs, for a tool that is used between releases.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
KEEP = runpy.run_path(str(ROOT / "tools" / "winner.py"))
PAGE = runpy.run_path(str(ROOT / "tools" / "winner_page.py"))

SMALL = """
# A small one
title: What wins here
methods:
  - sf-md
  - {method: sf-md, grid: {stretch: [2]}}
  - {method: unimodal, label: late, settings: {method.combine: probabilities}}
data: {cancer: {rows: 30}, ionosphere: {rows: 30}, again: {name: cancer, rows: 40}}
seeds: 3
settings: {method.network.width: 8, max-epochs: 1}
baseline: sf-md
search: {trials: 1, seeds: [7], own: false, settings: {lr: [0.2]}}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of the small study, made in two parts, and of a cheap baseline."""
    tmp_path = tmp_path_factory.mktemp("winner")
    path, out, folder = tmp_path / "mine.yaml", tmp_path / "out", tmp_path / "results"
    path.write_text(SMALL)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("dmrnet.studies.run_jobs", run_here)
        # The report of each part is tested elsewhere.
        patched.setattr("dmrnet.cli.study.end.finish", lambda *_: 0)
        parts = {out: ["cancer", "ionosphere"], tmp_path / "other": ["again"]}
        for to, data in parts.items():
            assert main(["study", str(path), "--out", str(to), "--data", *data]) == 0
    words = [str(path), "--out", str(out)]
    KEEP["keep"](words, None, folder, [tmp_path / "other"])
    cheap = tmp_path / "cheap" / "runs" / "forest"
    cheap.mkdir(parents=True)
    lines = (folder / "rows" / "cancer.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    own = [r for r in rows if r["method"] == "unimodal"]
    facts = {"method": "forest-late", "recipe": "scikit-learn", "settings": {}}
    (cheap / "results.jsonl").write_text("".join(json.dumps(r | facts) + "\n" for r in own))
    KEEP["keep"](words, tmp_path / "cheap", folder, [tmp_path / "other"])
    return folder


@pytest.fixture
def kept(made: Path, tmp_path: Path) -> Path:
    """A copy of the rows that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "results"))


def test_parts_of_a_study_become_one_page(kept: Path) -> None:
    record = json.loads((kept / "winner.json").read_text())
    counts = {key: (of["finished"], of["runs"]) for key, of in record["data"].items()}
    assert counts == dict.fromkeys(("cancer", "ionosphere", "again"), (9, 9))
    assert record["command"] == "dmrnet study winner --root prepared --workers 2 --out runs/winner"
    assert len(record["search"]["trials"]) == 3 * 3
    rows = [json.loads(s) for s in (kept / "rows" / "again.jsonl").read_text().splitlines()]
    assert {row["dataset"] for row in rows} == {"cancer (rows=40)"}
    assert {row["metric"] for row in rows} == {"accuracy", *KEEP["KEPT"]}

    results = PAGE["Results"](kept)
    assert list(results.summaries) == ["cancer", "ionosphere", "again"]
    # Numbers over data sets count one version of each.
    assert [summary.dataset for summary in results.main] == ["cancer", "ionosphere"]
    (gain,) = results.over_main["average"]
    assert (gain.label, list(gain.by_data)) == ("late", ["cancer", "ionosphere"])
    labels = {item.label for item in results.summaries["cancer"].systems}
    assert labels == {"sf-md", "sf-md stretch=2", "late", "forest-late"}

    text = PAGE["page"](kept)
    first = text.partition("\n## ")[0]
    assert first.count("\n- **") == 4
    assert first.index("`late`") < first.index("winner-gains.svg")
    assert "a cheap baseline (`forest-late`) is level" in first
    for title in ("Which one, by regime", "Over data sets", "What was run", "Tables"):
        assert f"\n## {title}\n" in text
    assert "| late | 0." in text  # the chosen learning rate
    assert "Not finished" not in text
    assert "Interim" not in text


@pytest.mark.parametrize("method", ["unimodal", "sf-md"])
def test_what_has_too_few_seeds_is_left_out(kept: Path, method: str) -> None:
    path = kept / "rows" / "ionosphere.jsonl"
    lines = path.read_text().splitlines()
    few = [s for s in lines if (r := json.loads(s))["method"] != method or r["seed"] < 2]
    path.write_text("".join(f"{line}\n" for line in few))
    record = json.loads((kept / "winner.json").read_text())
    record["data"]["ionosphere"]["finished"] = 8
    (kept / "winner.json").write_text(json.dumps(record))
    results, text = PAGE["Results"](kept), PAGE["page"](kept)
    assert "Not finished: ionosphere 8 of 9 runs." in text
    assert "left out of sets on which they have fewer than 3 seeds" in text
    # Without the baseline in all its lengths the set is left out, otherwise only the method.
    assert list(results.summaries) == ["cancer", *["ionosphere"][: method != "sf-md"], "again"]
    # The method has one data set left, so nothing can be said over data sets.
    assert "no answer yet" in text


def test_before_the_last_run_the_answer_is_called_interim(kept: Path) -> None:
    record = json.loads((kept / "winner.json").read_text())
    assert record["planned"] == 27
    record["planned"] = 1234
    (kept / "winner.json").write_text(json.dumps(record))
    assert "\n\nInterim, 27 of 1,234 planned runs: **" in PAGE["page"](kept)


def test_figures_are_drawn(kept: Path) -> None:
    names = [figure.name for figure in PAGE["figures"](kept)]
    assert names == ["winner-gains", "winner-ranks"]


def test_the_chosen_rate_is_the_best_on_validation() -> None:
    def trial(rate: str, score: float | None) -> dict[str, object]:
        return {"label": "small sf-md (best) stretch=2", "settings": {"lr": rate}, "score": score}

    trials = [trial("0.1", None), trial("0.2", 0.5), trial("0.4", 0.4)]
    table = PAGE["rate_table"]({"search": {"trials": trials}, "data": {"small": {}, "other": {}}})
    assert table.header == ("System", "small", "other")
    assert [cell.text for cell in table.rows[0]] == ["sf-md stretch=2", "0.2", "-"]
