"""What gets confused, in a browser: chosen by mouse and keyboard, without a script, on paper."""

from __future__ import annotations

import pytest
from sklearn.metrics import confusion_matrix
from tests.report.chromium import find
from tests.report.conftest import write_run
from tests.report.mistakes.made import add_predictions

from dmrnet.report import build_report

BROWSER = find()
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine"),
    pytest.mark.usefixtures("no_png"),
]
NAMES = ("rgb", "depth", "ir")
PANEL = "#mfeat-accuracy-mistakes"
CELLS = (
    f"[...document.querySelectorAll('{PANEL} tbody tr')].slice(0, -1)"
    ".map((r) => [...r.cells].slice(1, -2).map((c) => Number(c.textContent)))"
)
TITLE = f"document.querySelector('{PANEL} .shown').textContent"
READY = (
    "(async () => { while (!document.documentElement.dataset.mistakes)"
    " await new Promise(requestAnimationFrame); return true; })()"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The page of two systems, and the counts of each by combination."""
    root = tmp_path_factory.mktemp("mistakes")
    runs, counts = [], {}
    for k, method in enumerate(("sf-md", "dmr", "none")):
        run = write_run(root / "runs", method, modalities=NAMES, gain=0.1 * k, mined=None)
        runs.append(run)
        if method != "none":
            names, target, predicted = add_predictions(run, NAMES, seed=k)
            for name, values in zip(names, predicted, strict=True):
                counts[method, name] = confusion_matrix(target, values).tolist()
    return build_report(runs, root / "report").page, counts


def test_a_system_and_combination_are_chosen(browser, made):
    page, counts = made
    browser.open(page, width=390)
    assert browser.run(READY)
    # The best system that keeps predictions, with its worst combination.
    assert browser.run(TITLE).startswith("dmr with ")
    assert "(its worst)" in browser.run(TITLE)
    browser.click(f"{PANEL} button")
    assert browser.run(CELLS) == counts["dmr", "rgb+depth+ir"]
    browser.click(f"{PANEL} input[value=depth]")
    assert browser.run(CELLS) == counts["dmr", "rgb+ir"]
    # By keyboard: the next box, which is of the last modality.
    browser.press("Tab")
    browser.press(" ")
    assert browser.run(CELLS) == counts["dmr", "rgb"]
    assert "wrong=mfeat-accuracy-mistakes" in browser.run("location.hash")
    browser.click(f"{PANEL} input[value=rgb]")
    assert browser.run(TITLE) == "Choose a modality."
    assert browser.run("document.documentElement.scrollWidth") <= 390
    assert browser.complaints() == []


def test_a_number_leads_to_what_is_behind_it(browser, made):
    page, counts = made
    browser.open(page)
    assert browser.run(READY)
    browser.click('tr[data-c="depth+ir"] td.number')
    assert browser.run(CELLS) == counts["sf-md", "depth+ir"]
    browser.click('tr[data-c="ir"] button.more')
    browser.click('button[aria-label="What dmr gets wrong with ir"]')
    assert browser.run(CELLS) == counts["dmr", "ir"]
    browser.click('svg g[data-s="sf-md"][data-c] use')
    assert browser.run(TITLE).startswith("sf-md with ")
    browser.click('tr[data-c="ir"] td.number:last-child')
    assert browser.run(TITLE) == "No predictions of none are here."
    view = browser.run("location.hash")
    browser.open(page, view.replace("none", "dmr"))
    assert browser.run(READY)
    assert browser.run(CELLS) == counts["dmr", "ir"]
    assert browser.complaints() == []


def test_without_a_script_two_combinations_are_there(browser, made):
    page, counts = made
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
        shown = "document.querySelectorAll('.still .shown, .still table').length"
        assert browser.run(shown) == 4
        first = CELLS.replace(f"{PANEL} tbody", f"{PANEL} .scroll:nth-of-type(1) tbody")
        assert browser.run(first) == counts["dmr", "rgb+depth+ir"]
    finally:
        browser.ask("Emulation.setScriptExecutionDisabled", value=False)
