"""The page: complete, self-contained, and safe whatever names hold."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from dmrnet.report import build_report
from dmrnet.report.pages.html.page import SCRIPTS

pytestmark = pytest.mark.usefixtures("no_png")

VOID = {"meta", "wbr", "br", "hr", "img", "input", "link"}
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "a' onmouseover='alert(1)",
    "</style><script>alert(2)</script>",
    "`|**x**|[l](javascript:alert(1))",
)


class Page(HTMLParser):
    """The parsed page; fails if an element is not closed properly."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def plain_text(self):
        return re.sub(r"\s+", " ", " ".join(self.text))


def page_of(runs, out, **kwargs):
    report = build_report(runs, out, **kwargs)
    return Page(report.page.read_text("utf-8")), report.markdown.read_text("utf-8")


@pytest.fixture(scope="module")
def four_pages(no_png, four_systems, tmp_path_factory):
    return page_of(four_systems, tmp_path_factory.mktemp("page") / "out")


def test_names_the_result_and_what_was_run(four_pages, four_systems):
    page, markdown = four_pages
    for sentence in (
        "Highest average over 63 combinations: dmrnet",
        "points against sf-md (paired over 3 seeds)",
        "Its worst combination is mor alone",
        "400 samples (test); one sample is 0.25 points",
        "0, 1, 2",
        "0123456789ab",
        "3 modalities seen (20 combinations)",
        "3 seeds are few",
        "a random set would reach about 10%",
    ):
        assert sentence in page.plain_text
    for run in four_systems:
        assert f"dmrnet fit --config {run}/config.yaml --out {run}-again" in page.plain_text
        assert f"dmrnet evaluate {run}-again" in markdown
    # The list of systems, facts, what is left out, and how to repeat the runs.
    assert page.tags.count("details") == 4
    assert "What gets confused: these runs keep no predictions" in page.plain_text
    # Every combination is in both.
    assert len(re.findall(r"^\| [●○]", markdown, flags=re.MULTILINE)) == 63
    assert page.attributes.count(("table", "class", "combinations")) == 1
    assert sum(one[:2] == ("tr", "data-c") for one in page.attributes) == 63


def test_makes_no_request_and_runs_one_script(four_pages):
    page, _ = four_pages
    assert {"link", "iframe", "img", "object", "embed"}.isdisjoint(page.tags)
    assert page.tags.count("script") == 1
    folder = files("dmrnet.report.pages.html")
    ours = b"".join(folder.joinpath(name).read_bytes() for name in SCRIPTS)
    digest = base64.b64encode(hashlib.sha256(ours).digest()).decode()
    (policy,) = (v for _, n, v in page.attributes if n == "content" and "default-src" in v)
    assert policy == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-"
        + digest
        + "'"
    )
    assert ours.decode() in page.text
    # Small, and without requests.
    assert len(ours) < 28_000
    for word in (b"fetch", b"XMLHttp", b"import(", b"innerHTML", b"eval("):
        assert word not in ours
    for tag, name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("href", "src", "xlink:href", "srcset", "action"):
            assert value.startswith("#"), (tag, name, value)
    styles = " ".join(value for _, name, value in page.attributes if name == "style")
    for style in (page.plain_text, styles):
        assert "@import" not in style
        assert re.findall(r"url\((?!#)", style) == []


@pytest.mark.usefixtures("no_png")
def test_ids_are_unique_and_links_lead_to_them(make_run, tmp_path):
    runs = [
        make_run(dataset=name, name=f"r{i}", modalities=("a", "b", "c"))
        for i, name in enumerate(("a b", "a-b", "A B"))
    ]
    page, _ = page_of(runs, tmp_path / "out")
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = {v[1:] for _, n, v in page.attributes if n in ("href", "xlink:href")}
    assert links <= set(ids)
    assert {"a-b-accuracy", "a-b-accuracy-2", "a-b-accuracy-3"} <= set(ids)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_cannot_inject(make_run, tmp_path, name, request):
    # Figures of all of them are parsed in their own tests.
    request.getfixturevalue("no_png" if name == HOSTILE[0] else "no_pictures")
    modality = name.replace("+", "")
    runs = [
        make_run("sf-md", name="r0", dataset=name, modalities=(modality, "b")),
        make_run(name, name="r1", dataset=name, modalities=(modality, "b"), settings={name: name}),
    ]
    page, markdown = page_of(runs, tmp_path / "out")
    plain = re.sub(r"\s+", " ", name)
    assert plain in page.plain_text
    assert "img" not in page.tags
    assert page.tags.count("style") == page.tags.count("script") == 1
    assert not [a for a in page.attributes if a[1].startswith("on")]
    assert "49" not in re.findall(r"<h2[^>]*>(.*?)</h2>", page.plain_text)
    outside_code = re.sub(r"```.*?```", "", markdown, flags=re.DOTALL)
    assert not re.search(r"(?<!\\)<", outside_code)
    assert "[l](javascript" not in outside_code


@pytest.mark.usefixtures("no_pictures")
def test_one_system_one_seed(make_run, tmp_path):
    page, _ = page_of([make_run(modalities=("a", "b"), mined=None)], tmp_path / "out")
    assert "dmrnet averages" in page.plain_text
    assert "one seed, so there is no standard error" in page.plain_text
    assert "Hard combinations" not in page.plain_text
    for words in ("difference", "Bold", "baseline", "reverse"):
        assert words not in page.plain_text.split("What was run")[0]


@pytest.mark.usefixtures("no_pictures")
def test_two_data_sets_and_two_scores(make_run, tmp_path):
    runs = [
        make_run("sf-md", name="r0", modalities=("a", "b")),
        make_run("sf-md", name="r1", dataset="watch", modalities=("x", "y"), metric="acer"),
        make_run("sf-md", name="r2", dataset="watch", modalities=("x", "y"), seed=1),
    ]
    page, markdown = page_of(runs, tmp_path / "out")
    for title in ("mfeat", "watch, accuracy", "watch, ACER"):
        assert f"## {title}\n" in markdown
        assert title in page.plain_text
    assert "lower is better" in page.plain_text
    assert page.tags.count("nav") == 1


@pytest.mark.usefixtures("no_pictures")
def test_validation_is_named(make_run, tmp_path):
    page, _ = page_of([make_run(splits=("val",), modalities="ab")], tmp_path / "out", split="val")
    assert "400 samples (validation, not test)" in page.plain_text
    assert "dmrnet evaluate" not in page.plain_text


@pytest.mark.usefixtures("no_pictures")
def test_nothing_defined(make_run, tmp_path):
    run = make_run(modalities=("a", "b", "c"))
    text = (run / "results.jsonl").read_text()
    text = re.sub(r'"accuracy", "value": [\d.]+', '"accuracy", "value": null', text)
    (run / "results.jsonl").write_text(text)
    page, _ = page_of([run], tmp_path / "out")
    assert "nothing to average" in page.plain_text


@pytest.mark.usefixtures("no_pictures")
def test_samples_are_the_least_and_the_most_of_a_combination(tmp_path, good_row, lines):
    counts = {"a": 400, "b": 250, "a+b": 200}
    rows = [good_row(combination=name, n=n) for name, n in counts.items()]
    page, _ = page_of([lines(tmp_path / "some.jsonl", rows)], tmp_path / "out")
    assert (
        "200 to 400 samples per combination, those with all of its modalities (test); one sample "
        "is 0.25 to 0.50 points" in page.plain_text
    )
