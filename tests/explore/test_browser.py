"""The page in a browser: by mouse, by keyboard, narrow and wide, and without errors.

Skipped without Chromium; CONTRIBUTING.md says how to get one.
"""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import uvicorn
from tests.report.chromium import find

from dmrnet.explore import create_explorer
from dmrnet.serve import Limits
from dmrnet.serve.server import address_of, bind

BROWSER = find()
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


class Served:
    """A service in a thread of this process."""

    def __init__(self, explored, limits=None):
        self.listener = bind("127.0.0.1", 0)
        app = create_explorer(explored, limits, ("127.0.0.1",))
        self.server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],))
        self.thread.start()
        self.address = f"http://{address_of(self.listener)}/"

    def close(self):
        self.server.should_exit = True
        self.thread.join(20)
        self.listener.close()
        assert not self.thread.is_alive()


@pytest.fixture(scope="module")
def page(explored):
    one = Served(explored)
    yield one.address
    one.close()


def wait(browser, script):
    """Wait until a script is true."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if browser.run(f"!!({script})"):
            return
        time.sleep(0.01)
    raise AssertionError(f"never true: {script}; {browser.complaints()}")


SUMMARY = "document.getElementById('summary').textContent"
CARD = "[...document.querySelectorAll('.card')][%d]"
OFF = CARD + ".classList.contains('off')"


def opened(browser, page, **options):
    browser.open(page, **options)
    wait(browser, f"document.querySelectorAll('.drawing > *').length >= 3 && {SUMMARY}")


def test_it_shows_predicts_and_runs_no_name(browser, page):
    opened(browser, page)
    assert "sure" in browser.run(SUMMARY)
    drawings = "[...document.querySelectorAll('.drawing')].map((e) => e.firstChild.tagName)"
    assert browser.run(drawings) == ["svg", "IMG", "svg"]
    first = browser.run(SUMMARY)
    # A modality off, then all of the same by the keyboard.
    browser.click(".card input[type=checkbox]")
    wait(browser, f"{OFF % 0} && {SUMMARY} !== {first!r}")
    browser.run(f"{CARD % 0}.querySelector('input').focus()")
    browser.press(" ")
    wait(browser, f"!({OFF % 0}) && {SUMMARY} === {first!r}")
    # Nothing on: an error in one line, and the page goes on.
    for k in range(3):
        browser.run(f"{CARD % k}.querySelector('input').click()")
    wait(browser, "!document.getElementById('error').hidden")
    assert "at least one" in browser.run("document.getElementById('error').textContent")
    browser.click("#all")
    wait(browser, f"document.getElementById('error').hidden && {SUMMARY} === {first!r}")
    # Corruptions.
    select = f"{CARD % 0}.querySelector('select')"
    browser.run(f"(() => {{ const s = {select}; s.value = '0'; s.onchange(); }})()")
    wait(browser, "document.getElementById('score').textContent.includes('without corruption')")
    before = browser.run(f"{CARD % 0}.querySelector('path').getAttribute('d')")
    again = f"{CARD % 0}.querySelector('button')"
    browser.run(f"{again}.click()")
    wait(browser, f"{CARD % 0}.querySelector('path').getAttribute('d') !== {before!r}")
    assert "training deviations" in browser.run(f"{CARD % 0}.querySelector('output').textContent")
    browser.click("#clean")
    wait(browser, f"{SUMMARY} === {first!r}")
    # Samples.
    browser.click("#after")
    wait(browser, "document.getElementById('samples').value === '1'")
    browser.click("#wrong")
    wait(browser, "document.getElementById('samples').options[0].textContent.startsWith('row')")
    wait(browser, f"{SUMMARY}.includes('wrong')")
    assert browser.run("window.hacked === undefined")
    # The request without any modality is the one that the browser's console notes.
    assert all("422" in text for text in browser.complaints())
    assert {url.startswith((page, "data:")) for url in browser.requests()} == {True}


def test_it_names_everything_and_has_room(browser, page):
    opened(browser, page, width=390, scheme="dark")
    assert browser.complaints() == []
    assert browser.run("document.documentElement.scrollWidth") <= 390
    assert browser.run("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    announced = browser.announced()
    for role in ("checkbox", "combobox", "radio", "button", "image", "spinbutton", "slider"):
        names = [name for kind, name in announced if kind == role]
        assert names or role == "slider"
        assert all(names), role
    assert any(role == "status" for role, _ in announced)
    # The prediction stays in sight.
    browser.run("window.scrollTo(0, document.documentElement.scrollHeight)")
    wait(browser, "Math.abs(document.getElementById('summary').getBoundingClientRect().top) < 1")


def test_a_file_is_uploaded(browser, page, explored, sample, tmp_path):
    np.save(tmp_path / "clock.npy", sample["clock"])
    np.save(tmp_path / "other.npy", sample["clock"])
    opened(browser, page)
    browser.run("document.getElementById('from-upload').click()")
    root = browser.ask("DOM.getDocument")["root"]["nodeId"]
    node = browser.ask("DOM.querySelector", nodeId=root, selector="#files")["nodeId"]

    def choose(name):
        browser.ask("DOM.setFileInputFiles", nodeId=node, files=[str(tmp_path / name)])

    choose("clock.npy")
    wait(browser, f"{SUMMARY} && {CARD % 0}.querySelector('.none')")
    assert "On clock the run scores" in browser.run("document.getElementById('score').textContent")
    choose("other.npy")
    wait(browser, "!document.getElementById('error').hidden")
    assert "named like a modality" in browser.run("document.getElementById('error').textContent")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280, 1920])
def test_fits_the_window_without_errors(browser, page, width, scheme):
    opened(browser, page, width=width, scheme=scheme)
    assert browser.complaints() == []
    assert browser.run("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
def test_a_token_is_asked_for(browser, explored):
    one = Served(explored, Limits(token="s3cret"))
    try:
        browser.open(one.address)
        wait(browser, "!document.getElementById('ask').hidden")
        assert browser.run("document.activeElement.id") == "token"
        browser.ask("Input.insertText", text="s3cret")
        browser.press("Enter")
        wait(browser, f"document.getElementById('ask').hidden && {SUMMARY}")
    finally:
        one.close()
