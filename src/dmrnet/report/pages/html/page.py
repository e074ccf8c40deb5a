"""The report as one self-contained HTML page."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup, escape

from dmrnet.report.mistakes.gather import Mistakes
from dmrnet.report.mistakes.pack import form_of, pack
from dmrnet.report.pages.overview import HOW_GAINED, Overview
from dmrnet.report.pages.prose import facts, how_main, lead, opening
from dmrnet.report.pages.section import Section
from dmrnet.report.pages.tables.classes import constant_text
from dmrnet.report.pages.tables.mistakes import HOW_MISTAKES, mistake_tables
from dmrnet.report.pages.tables.scores import cost_table, main_cost_table, presence_table
from dmrnet.report.pages.tables.table import SEEN, UNSEEN
from dmrnet.report.summary.notes import facts_on, warnings_on

SCRIPTS = ("page.js", "mistakes.js")
"""Files of the page's script; a later one may use the names of those before it."""


MOST_WARNINGS = 5
"""Number of warnings that stand on the page; more are folded."""


@cache
def _template() -> Template:
    """Compile the page's template, which takes longer than filling it."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"breakable": _breakable, "interval": _interval}
    environment.globals |= {
        function.__name__: function
        for function in (
            *(opening, lead, facts, warnings_on, facts_on, constant_text, how_main),
            *(main_cost_table, cost_table, presence_table),
            *(mistake_tables, packed, form_of),
        )
    }
    page = files("dmrnet.report.pages.html").joinpath("page.html.j2")
    return environment.from_string(page.read_text("utf-8"))


def render_html(sections: Sequence[Section], overview: Overview | None) -> str:
    """Return the page: one script of our own, no outside request, every name escaped."""
    folder = files("dmrnet.report.pages.html")
    # Our own style sheet, script and figures are the only text that is not escaped.
    parts = [folder.joinpath(name).read_text("utf-8") for name in ("look.css", "page.css")]
    style = Markup("\n".join(parts))
    script = "".join(folder.joinpath(name).read_text("utf-8") for name in SCRIPTS)
    digest = hashlib.sha256(script.encode()).digest()
    summaries = [section.summary for section in sections]
    figures = [figure for section in sections for figure in section.all_figures]
    figures += overview.figures if overview else ()
    return _template().render(
        sections=sections,
        overview=overview,
        how_gained=HOW_GAINED,
        how_mistakes=HOW_MISTAKES,
        most_cautions=MOST_WARNINGS,
        style=style,
        script=Markup(script),
        # The browser runs this script and no other, whatever a name may hold.
        script_hash=Markup(base64.b64encode(digest).decode()),
        labels=list(dict.fromkeys(item.label for one in summaries for item in one.systems)),
        datasets=list(dict.fromkeys(one.dataset for one in summaries)),
        scores=list(dict.fromkeys(one.score.label for one in summaries)),
        drawn={figure.name: Markup(figure.svg) for figure in figures},
        seen=SEEN,
        unseen=UNSEEN,
    )


def packed(mistakes: Mistakes) -> tuple[Markup, list[str]]:
    """Return the counts for the script, which hold no ``<``, and the systems without room."""
    text, left_out = pack(mistakes)
    return Markup(text), left_out


def _interval(text: str) -> Markup:
    """Let a narrow page put an interval on a line of its own."""
    before, bracket, after = text.partition(" [")
    return escape(before) + (Markup(" <span>[{}</span>").format(after) if bracket else "")


def _breakable(text: str) -> Markup:
    """Let a long label break after an equals sign; Markup's join escapes what it joins."""
    return Markup("=<wbr>").join(text.split("="))
