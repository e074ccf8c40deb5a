"""The page in a browser: filtered, sorted, expanded, by mouse and by keyboard, without errors.

Skipped without Chromium; CONTRIBUTING.md says how to get one.
"""

from __future__ import annotations

import re

import pytest
from tests.report.chromium import find
from tests.report.conftest import write_run
from tests.report.mistakes.made import add_predictions

from dmrnet.report import build_report

BROWSER = find()
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine"),
    pytest.mark.usefixtures("no_png"),
]

FOUR = {"sf-md": 0.0, "head-only": 0.03, "dmr": 0.1, "dmrnet": 0.18}
MODALITIES = {
    2: ("audio", "visual"),
    3: ("rgb", "depth", "ir"),
    6: ("fou", "fac", "kar", "pix", "zer", "mor"),
}
VISIBLE = "[...document.querySelectorAll('%s')].filter((e) => e.checkVisibility()).length"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """One page for each number of modalities, and one with two data sets and two scores."""
    root = tmp_path_factory.mktemp("pages")

    def build(name, runs):
        return build_report(runs, root / name / "out").page

    def runs(name, modalities, methods=FOUR, seeds=3, **kwargs):
        return [
            write_run(
                root / name, method, seed, modalities=modalities, gain=gain,
                mined={"dmrnet": "loss"}.get(method), **kwargs,
            )
            for method, gain in methods.items()
            for seed in range(seeds)
        ]  # fmt: skip

    made = {v: build(str(v), runs(str(v), names)) for v, names in MODALITIES.items()}
    two = {"sf-md": 0.0, "dmr": 0.1}
    made["both"] = build(
        "both",
        [
            *runs("b1", MODALITIES[2], two, dataset="crema-d"),
            *runs("b2", MODALITIES[3], two, dataset="casia-surf", metric="acer"),
        ],
    )
    return made


def cells(browser, table, column):
    return browser.run(
        f"[...document.querySelectorAll('#{table} tbody tr')].filter((r) => r.checkVisibility() "
        f"&& r.cells.length > {column}).map((r) => r.cells[{column}].firstChild.textContent)"
    )


@pytest.mark.parametrize(
    ("page", "width", "scheme"),
    [
        (2, 360, "light"),
        *((page, width, "light") for page in (6, "both") for width in (360, 1280)),
        (3, 360, "dark"),
        # Of two modalities in a wide window is one of both, and dark is the page of three.
        pytest.param(2, 1280, "light", marks=pytest.mark.slow),
        pytest.param("both", 1280, "dark", marks=pytest.mark.slow),
    ],
)
def test_fits_the_window_without_errors(browser, pages, page, width, scheme):
    browser.open(pages[page], width=width, scheme=scheme)
    assert browser.complaints() == []
    assert [url.split(":")[0] for url in browser.requests()] == ["file"]
    assert browser.run("document.documentElement.dataset.ready") is not None
    # Tables and wide figures scroll by themselves; the page does not.
    assert browser.run("document.documentElement.scrollWidth") <= width
    page_colour = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (page_colour == "rgb(255, 255, 255)") == (scheme == "light")


@pytest.mark.parametrize("width", [390, 768, 1280, pytest.param(1920, marks=pytest.mark.slow)])
def test_every_number_is_reached_and_read(browser, pages, width):
    """What is wider than its place scrolls there; letters of figures are 11 px or more."""
    browser.open(pages[6], width=width)
    wide = browser.run(
        "[...document.querySelectorAll('main table, main svg')].filter((e) => e.checkVisibility()"
        " && !e.closest('.scroll')).length"
    )
    assert wide == 0
    table = "document.querySelector('#mfeat-accuracy-main')"
    assert browser.run(f"{table}.scrollWidth <= {table}.parentElement.clientWidth")
    # On a phone a table of a few rows is stacked, and each number says what it is.
    head = browser.run(f"[...{table}.tHead.rows[0].cells].map((e) => e.dataset.v ?? e.innerText)")
    labels = f"[...{table}.tBodies[0].rows[0].cells].map((e) => getComputedStyle(e, '::before')"
    said = browser.run(f"{labels}.content)")
    assert [text != "none" for text in said[1:]] == [width < 500] * (len(said) - 1)
    assert len(head) == len(said)
    stacked = browser.run(
        "[...document.querySelectorAll('table.few')].filter((e) => e.checkVisibility()"
        " && e.scrollWidth > e.parentElement.clientWidth).length"
    )
    assert stacked == 0 or width >= 500
    smallest = browser.run(
        "Math.min(...[...document.querySelectorAll('figure svg')].flatMap((svg) => {"
        " const shown = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;"
        " return [...svg.querySelectorAll('text')].map((text) =>"
        " Number.parseFloat(getComputedStyle(text).fontSize) * shown); }))"
    )
    assert smallest >= 11


@pytest.mark.slow
def test_a_narrow_page_keeps_the_combination_in_view(browser, pages):
    browser.open(pages[6], width=360)
    table = "document.querySelector('table.combinations')"
    browser.run(f"{table}.parentElement.scrollLeft = 400")
    row = f"{table}.querySelector('tr[data-c=\"fou+fac\"]')"
    box = f"{row}.cells[0].getBoundingClientRect()"
    assert 0 <= browser.run(f"{box}.left") < 40
    content = f"getComputedStyle({row}.querySelector('button.more'), '::after').content"
    # It may break after a plus sign.
    assert "fou+\u200bfac" in browser.run(content)
    # The numbers slide under it and are hidden.
    assert browser.run(f"getComputedStyle({row}.cells[0]).backgroundColor") == "rgb(255, 255, 255)"
    group = f"{table}.querySelector('tr.group span').getBoundingClientRect()"
    assert 0 <= browser.run(f"{group}.left") < 40
    browser.open(pages[6], width=1280)
    assert "fac" not in browser.run(content)


def test_filters_by_system(browser, pages):
    browser.open(pages[6])
    rows = "#mfeat-accuracy-main tbody tr"
    assert browser.run(VISIBLE % rows) == 4
    marks = (
        "[...document.querySelectorAll('figure:not([data-s]) svg g[data-s=dmr]')]"
        ".filter((e) => getComputedStyle(e).display !== 'none').length"
    )
    before = browser.run(marks)
    assert before >= 6
    browser.click("#tools summary")
    browser.click('#tools input[value="dmr"]')
    browser.click('#tools input[value="head-only"]')
    assert browser.run(VISIBLE % rows) == 2
    assert browser.run(marks) == 0
    assert browser.run(VISIBLE % "table.combinations thead th[data-s]") == 2
    assert browser.run(VISIBLE % "#mfeat-accuracy-all tr[data-c]:first-of-type td.number") % 2 == 0
    assert browser.run("document.getElementById('status').textContent") == "Showing 2 of 4 systems."
    assert "only=sf-md&only=dmrnet" in browser.run("location.hash")
    browser.click('#tools [data-act="none"]')
    assert browser.run(VISIBLE % rows) == 0
    browser.click('#tools [data-act="all"]')
    assert browser.run(VISIBLE % rows) == 4
    assert browser.run(marks) == before
    assert browser.run("location.hash") == ""
    assert browser.complaints() == []


@pytest.mark.slow
def test_searches_for_a_system(browser, pages):
    browser.open(pages[6])
    browser.click("#tools summary")
    browser.click("#find")
    browser.ask("Input.insertText", text="DMR")
    assert browser.run(VISIBLE % "#tools li") == 2


@pytest.mark.slow
def test_filters_by_data_and_score(browser, pages):
    browser.open(pages["both"])
    sections = "section[data-data]"
    assert browser.run(VISIBLE % sections) == 2

    def choose(which, value):
        browser.run(
            f"(() => {{ const e = document.getElementById('{which}'); e.value = '{value}';"
            "e.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )

    choose("by-data", "crema-d")
    assert browser.run(VISIBLE % sections) == 1
    assert browser.run(VISIBLE % "#crema-d-accuracy") == 1
    choose("by-data", "")
    choose("by-score", "ACER")
    assert browser.run(VISIBLE % "#casia-surf-acer") == 1
    assert browser.run(VISIBLE % sections) == 1
    browser.click('#tools [data-act="reset"]')
    assert browser.run(VISIBLE % sections) == 2
    assert browser.complaints() == []


@pytest.mark.parametrize(("page", "table"), [(3, "mfeat-accuracy-main"), (3, "mfeat-accuracy-all")])
def test_sorts(browser, pages, page, table):
    browser.open(pages[page])
    column = 2 if table.endswith("main") else 5
    button = f"#{table} thead th:nth-child({column + 1}) button.sort"
    head = f"document.querySelector('#{table} thead th:nth-child({column + 1})')"
    before = cells(browser, table, column)
    numbers = [float(text.split(" ")[0]) for text in before]
    browser.click(button)
    found = [float(text.split(" ")[0]) for text in cells(browser, table, column)]
    assert found == sorted(numbers, reverse=True)
    assert browser.run(f"{head}.ariaSort") == "descending"
    browser.click(button)
    found = [float(text.split(" ")[0]) for text in cells(browser, table, column)]
    assert found == sorted(numbers)
    assert browser.run(f"{head}.ariaSort") == "ascending"
    browser.click(button)
    assert cells(browser, table, column) == before
    assert browser.run(f"{head}.ariaSort") is None
    browser.click(f"#{table} thead th:last-child button.sort")
    assert browser.run(f"document.querySelectorAll('#{table} thead th[aria-sort]').length") == 1


def test_low_is_best_where_it_is(browser, pages):
    browser.open(pages["both"])
    browser.click("#casia-surf-acer-main thead th:nth-child(3) button.sort")
    found = [float(x.split(" ")[0]) for x in cells(browser, "casia-surf-acer-main", 2)]
    assert found == sorted(found)


def test_a_combination_expands_to_every_seed(browser, pages):
    browser.open(pages[3])
    row = '#mfeat-accuracy-all tr[data-c="rgb+ir"]'
    hint = browser.run(f"document.querySelector('{row} td:last-child').title")
    browser.click(f"{row} button.more")
    assert browser.run(f"document.querySelector('{row} button').ariaExpanded") == "true"
    text = browser.run("document.querySelector('tr.detail').innerText")
    for seed in re.findall(r"seed \d: ([\d.]+)", hint):
        assert seed in text
    assert "the difference to sf-md" in text
    base, last = (
        browser.run(
            f"[...document.querySelectorAll('tr.detail tbody tr:nth-child({n}) td.number')]"
            ".map((c) => c.firstChild.textContent)"
        )
        for n in (1, 4)
    )
    gaps = browser.run(
        "[...document.querySelectorAll('tr.detail tbody tr:nth-child(4) small')]"
        ".map((c) => c.textContent)"
    )
    for a, b, gap in zip(base, last, gaps, strict=True):
        assert float(gap.replace("\N{MINUS SIGN}", "-")) == pytest.approx(float(b) - float(a))
    assert len(base) == 3
    browser.click(f"{row} button.more")
    assert browser.run("document.querySelectorAll('tr.detail').length") == 0


@pytest.mark.slow
def test_filters_combinations_by_modality(browser, pages):
    browser.open(pages[3])
    rows = "#mfeat-accuracy-all tr[data-c]"
    head = "#mfeat-accuracy-all thead th[data-m='rgb'] button"
    status = "document.querySelector('#mfeat-accuracy-all-status').textContent"
    browser.click(head)
    assert browser.run(VISIBLE % rows) == 4
    assert browser.run(status) == "4 combinations are shown."
    browser.click(head)
    assert browser.run(VISIBLE % rows) == 3
    # The group of three modalities is empty.
    assert browser.run(VISIBLE % "#mfeat-accuracy-all tr.group") == 2
    browser.click(head)
    assert browser.run(VISIBLE % rows) == 7
    assert browser.run(status) == ""


@pytest.mark.slow
def test_hovering_shows_seeds(browser, pages):
    browser.open(pages[3])
    number = "#mfeat-accuracy-main tbody tr:last-child td:nth-child(3)"
    wanted = browser.run(f"document.querySelector('{number}').title")
    assert wanted.startswith("seed 0: ")
    browser.move(number)
    tip = "document.getElementById('tip')"
    assert browser.run(f"{tip}.checkVisibility()")
    assert browser.run(f"{tip}.textContent").replace("\n", ", ") == wanted
    browser.press("Escape")
    assert not browser.run(f"{tip}.checkVisibility()")
    mark = 'svg g[data-s="dmrnet"][data-c] use'
    browser.move(mark)
    assert browser.run(f"{tip}.textContent").startswith("dmrnet, ")
    assert "seed 2: " in browser.run(f"{tip}.textContent")


def test_by_keyboard_alone(browser, pages):
    browser.open(pages[2])
    focused = "document.activeElement.textContent.trim()"
    met = []
    for _ in range(60):
        browser.press("Tab")
        met.append(browser.run(f"document.activeElement.tagName + ' ' + {focused}"))
        if met[-1] == "BUTTON Average":
            break
    assert any(one.startswith("SUMMARY Systems") for one in met)
    assert met[-1] == "BUTTON Average"
    ring = browser.run("getComputedStyle(document.activeElement).outlineStyle")
    assert ring == "solid"
    browser.press("Enter")
    assert browser.run("document.activeElement.closest('th').ariaSort") == "descending"
    for _ in range(60):
        browser.press("Tab")
        if browser.run("document.activeElement.className") == "more":
            break
    browser.press(" ")
    assert browser.run("document.activeElement.ariaExpanded") == "true"
    assert browser.run(VISIBLE % "tr.detail") == 1


def test_a_screen_reader_announces_names(browser, pages):
    browser.open(pages[3])
    announced = browser.announced()
    for role in ("button", "checkbox", "searchbox", "table", "region", "image", "link"):
        names = [name for kind, name in announced if kind == role]
        assert names or role in ("checkbox", "searchbox")
        assert all(names), role
    names = [name for role, name in announced if role == "button"]
    assert "rgb+ir: every seed" in names
    assert "rgb: seen or missing" in names
    assert ("columnheader", "Average") in announced
    assert any(role == "rowheader" and "rgb+ir" in name for role, name in announced)


@pytest.mark.slow
def test_a_view_can_be_shared(browser, pages):
    table = "mfeat-accuracy-all"
    view = (
        f"#only=dmr&only=dmrnet&sort={table}+7+up&seen={table}+%3F%3F1&open={table}-1-1&data=mfeat"
    )
    browser.open(pages[3], view)
    assert browser.run(VISIBLE % f"#{table} thead th[data-s]") == 2
    rows = browser.run(
        f"[...document.querySelectorAll('#{table} tr[data-c]')].filter((r) => r.checkVisibility())"
        ".map((r) => r.dataset.c)"
    )
    assert len(rows) == 4
    assert all("ir" in name.split("+") for name in rows)
    assert browser.run("document.querySelector('tr.detail').previousElementSibling.dataset.c") == (
        "rgb+ir"
    )
    assert browser.complaints() == []
    # Unknown names are ignored.
    browser.open(pages[3], "#only=nobody&sort=nothing+99+up&seen=x+1&open=y&data=z&score=w")
    assert browser.run(VISIBLE % "#mfeat-accuracy-main tbody tr") == 0
    assert browser.run(VISIBLE % "section[data-data]") == 1
    assert browser.complaints() == []
    browser.open(pages[3], "#reading")
    assert browser.run(VISIBLE % "#mfeat-accuracy-main tbody tr") == 4


@pytest.mark.slow
def test_prints_everything(browser, pages):
    browser.open(pages[6], media="print")
    assert browser.run(VISIBLE % "#tools, button.more, #tip") == 0
    assert browser.run(VISIBLE % "#mfeat-accuracy-all tr[data-c]") == 63
    assert browser.run("getComputedStyle(document.querySelector('.tall')).maxHeight") == "none"
    printed = browser.ask("Page.printToPDF")["data"]
    assert len(printed) > 10_000


def test_names_run_nothing(browser, make_run, tmp_path):
    names = ("<img src=x onerror='window.hacked=1'>", "</script><script>window.hacked=2</script>")
    runs = [
        make_run(name, seed, name=f"r{i}{seed}", dataset=names[0], modalities=(names[1], "b"))
        for i, name in enumerate(("sf-md", *names))
        for seed in range(2)
    ]
    browser.open(build_report(runs, tmp_path / "out").page)
    browser.click("button.more")
    browser.move("#tools summary")
    browser.click("#tools summary")
    browser.click("#tools li:last-child input")
    assert browser.run("window.hacked === undefined")
    assert browser.run(VISIBLE % "tr.detail, table.combinations thead th[data-s]") == 2
    assert browser.complaints() == []


@pytest.mark.slow
def test_is_quick_with_many(browser, tmp_path):
    runs = [
        write_run(
            tmp_path / "runs", f"method-{number}" if number else "sf-md", seed,
            modalities=MODALITIES[6], gain=0.01 * number, mined=None, splits=("test",),
        )
        for number in range(20)
        for seed in range(10)
    ]  # fmt: skip
    page = build_report(runs, tmp_path / "out").page
    assert page.stat().st_size < 1_500_000
    browser.open(page)
    # Measured 0.2 to 0.6 s on two busy cores; loosely, for a slower machine.
    assert float(browser.run("document.documentElement.dataset.ready")) < 5000
    spent = browser.run(
        "(() => { const t = performance.now();"
        "document.querySelector('#mfeat-accuracy-all thead th:last-child button').click();"
        "document.querySelector('[data-act=none]').click(); document.body.offsetHeight;"
        "return performance.now() - t; })()"
    )
    assert spent < 2000


@pytest.mark.slow
def test_a_page_of_many_systems_is_small(browser, tmp_path):
    """18 systems of six modalities, with what each gets wrong with every combination."""
    runs = []
    for number in range(18):
        for seed in range(3):
            name = f"method-{number}" if number else "sf-md"
            mined = {3: "variance", 17: "loss"}.get(number)
            run = write_run(tmp_path / "runs", name, seed, gain=0.02 * number, mined=mined)
            add_predictions(run, MODALITIES[6], classes=10, n=400, seed=100 * number + seed)
            runs.append(run)
    page = build_report(runs, tmp_path / "out").page
    assert page.stat().st_size < 1_000_000
    for width in (390, 768, 1280, 1920):
        browser.open(page, width=width)
        assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.complaints() == []
