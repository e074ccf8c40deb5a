"""Analyses on the page in a browser: filtered like everything else, without errors."""

from __future__ import annotations

import pytest
from tests.report.analysed import NAMES, analyse
from tests.report.chromium import find
from tests.report.conftest import write_run

from dmrnet.report import build_report

BROWSER = find()
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine"),
    pytest.mark.usefixtures("no_png"),
]

VISIBLE = (
    "[...document.querySelectorAll('%s')]"
    ".filter((e) => e.checkVisibility() && getComputedStyle(e).display !== 'none').length"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    root = tmp_path_factory.mktemp("analysed")
    made = []
    for k, method in enumerate(("sf-md", "dmr", "dmrnet")):
        run = write_run(root / "runs", method, modalities=NAMES, mined="loss" if k else None)
        analyse(run, method, 0, shift=0.05 * k)
        made.append(run)
    return build_report(made, root / "report").page


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_filtering_a_system_filters_it_from_analyses(browser, page, scheme):
    browser.open(page, scheme=scheme)
    assert browser.run("document.documentElement.scrollWidth") <= 1280
    table = "#mfeat-accuracy-block-1"
    marks = "figure:not([data-s]) svg g[data-s=dmr]"
    assert browser.run(VISIBLE % f"{table} thead th") == 5
    assert browser.run(VISIBLE % f"{table} tbody tr:first-child > *") == 5
    before = browser.run(VISIBLE % marks)
    # A line and a mean in each of two times six panels, and angles.
    assert before >= 24 + 2 * 3
    assert browser.run(VISIBLE % "figure[data-s=dmr]") > 0
    browser.click("#tools summary")
    browser.click('#tools input[value="dmr"]')
    assert browser.run(VISIBLE % f"{table} thead th") == 4
    assert browser.run(VISIBLE % f"{table} tbody tr:first-child > *") == 4
    assert browser.run(VISIBLE % marks) == 0
    assert browser.run(VISIBLE % "figure[data-s=dmr]") == 0
    assert browser.run(VISIBLE % "figure[data-s=dmrnet]") > 0
    browser.click('#tools [data-act="all"]')
    assert browser.run(VISIBLE % marks) == before
    assert browser.complaints() == []
