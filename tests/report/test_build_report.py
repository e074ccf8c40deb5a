"""Building a report: its files, and that a failure keeps an earlier report."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dmrnet.report import build_report
from dmrnet.report.records.rows import RowError


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}


@pytest.fixture(scope="module")
def report(four_systems, tmp_path_factory):
    return build_report(four_systems, tmp_path_factory.mktemp("made") / "deep" / "out")


def test_writes_page_markdown_and_figures(report):
    out = report.page.parent
    assert out.name == "out"
    assert report.page == out / "report.html"
    assert report.markdown == out / "report.md"
    assert set(contents(out)) == {
        path.relative_to(out)
        for path in (report.page, report.markdown, report.latex, *report.figures)
    }
    assert len(report.figures) == 2 * 6
    for path in report.figures:
        if path.suffix == ".svg":
            assert f"figures/{path.name}" in report.markdown.read_text()
    assert [item.dataset for item in report.summaries] == ["mfeat"]
    assert report.page.stat().st_size < 700_000


@pytest.mark.slow
def test_is_the_same_each_time(report, four_systems, tmp_path):
    build_report(four_systems, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(report.page.parent)


@pytest.mark.usefixtures("no_pictures")
def test_a_corrupt_row_keeps_the_old_report(make_run, tmp_path):
    run, out = make_run(modalities=("a", "b")), tmp_path / "out"
    build_report([run], out)
    before = contents(out)
    results = run / "results.jsonl"
    results.write_text(results.read_text() + '{"run": "half a row')
    with pytest.raises(RowError, match=r"results\.jsonl:\d+: expected a JSON object"):
        build_report([run], out)
    assert contents(out) == before


@pytest.mark.usefixtures("no_pictures")
def test_a_full_disk_keeps_whole_files(make_run, tmp_path, monkeypatch):
    run, out = make_run(modalities=("a", "b")), tmp_path / "out"
    build_report([run], out)
    before = contents(out)

    def fail(self, target):
        if target.name == "report.html":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    rename = Path.replace
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        build_report([run], out)
    assert contents(out) == before


@pytest.mark.usefixtures("no_pictures")
def test_others_may_read_the_files(make_run, tmp_path):
    report = build_report([make_run(modalities=("a", "b"))], tmp_path / "out")
    other = tmp_path / "other"
    other.write_text("")
    assert report.page.stat().st_mode == other.stat().st_mode


def test_refuses_an_unknown_split(make_run, tmp_path):
    with pytest.raises(ValueError, match="'test' or 'val', got 'train'"):
        build_report([make_run()], tmp_path / "out", split="train")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_pictures")
def test_files_of_the_user_stay(make_run, tmp_path):
    run, out = make_run(modalities=("a", "b")), tmp_path / "out"
    first = build_report([run], out)
    (out / "notes.md").write_text("mine")
    (out / "report.tex").write_text("mine")
    before = contents(out)
    with pytest.raises(FileExistsError, match=r"report\.tex exists; name another"):
        build_report([run], out)
    assert contents(out) == before
    build_report([run], out, overwrite=True)
    assert (out / "notes.md").read_text() == "mine"
    # A figure that no earlier report names is not ours.
    first.markdown.unlink()
    with pytest.raises(FileExistsError, match=r"figures/.* exists"):
        build_report([run], out)


@pytest.mark.usefixtures("no_pictures")
def test_another_baseline(make_run, tmp_path):
    runs = [make_run(method, modalities=("a", "b")) for method in ("sf-md", "head-only")]
    report = build_report(runs, tmp_path / "out", baseline="head-only")
    (summary,) = report.summaries
    assert summary.baseline == summary.systems[0].label == "head-only"


@pytest.mark.usefixtures("no_pictures")
def test_ten_modalities_stay_usable(make_run, tmp_path):
    names = tuple("abcdefghij")
    runs = [make_run(m, modalities=names, mined=None) for m in ("sf-md", "dmr")]
    report = build_report(runs, tmp_path / "out")
    assert report.page.stat().st_size < 1_500_000
    assert (
        sum(
            line.startswith("| ●") or line.startswith("| ○")
            for line in report.markdown.read_text().splitlines()
        )
        == 1023
    )


@pytest.mark.usefixtures("no_pictures")
def test_published_rows(tmp_path, good_row, lines):
    rows = [
        good_row(method=m, seed=s, combination=c, value=v / 100, run=f"{m}-{s}", dataset="casia")
        for m, v in (("sf-md", 80), ("theirs", 85))
        for s in range(2)
        for c in ("rgb", "ir", "rgb+ir")
    ]
    report = build_report([lines(tmp_path / "rows.jsonl", rows)], tmp_path / "out")
    text = report.page.read_text()
    assert "theirs" in text
    assert "dmrnet fit" not in text


def test_needs_neither_torch_nor_lightning():
    code = (
        "import sys, dmrnet.report, dmrnet.report.pages.terminal\n"
        "heavy = {'torch', 'lightning', 'scipy', 'matplotlib.pyplot'} & set(sys.modules)\n"
        "raise SystemExit(', '.join(heavy) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.usefixtures("no_pictures")
def test_only_the_figures_of_an_earlier_report_are_removed(four_systems, tmp_path):
    build_report(four_systems, tmp_path)
    figures = tmp_path / "figures"
    before = {path.name for path in figures.iterdir()}
    (figures / "mine.svg").write_text("mine")
    rows = [path / "results.jsonl" for path in four_systems]
    report = build_report(rows[:1], tmp_path)
    after = {path.name for path in figures.iterdir()}
    assert after == {path.name for path in report.figures} | {"mine.svg"}
    assert before - after
