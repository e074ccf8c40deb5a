"""Reports: from run folders to tables, figures and one page.

A report reads the rows that runs left in their folders (`dmrnet.report.records.rows` documents
them). It knows nothing of what made them, so published rows are reported in the same way.

Its rooms, each knowing only those before it: `records` (what run folders hold), `statistics`,
`summary` (systems compared), `figures`, `pages` (HTML, Markdown, LaTeX, terminal). Names below are
imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmrnet.report.build import Report, build_report
    from dmrnet.report.pages.terminal import terminal_table
    from dmrnet.report.records.runs import read_runs
    from dmrnet.report.summary.summary import DataSummary, summarise

__all__ = ["DataSummary", "Report", "build_report", "read_runs", "summarise", "terminal_table"]

_HOME = {
    "DataSummary": "dmrnet.report.summary.summary",
    "Report": "dmrnet.report.build",
    "build_report": "dmrnet.report.build",
    "read_runs": "dmrnet.report.records.runs",
    "summarise": "dmrnet.report.summary.summary",
    "terminal_table": "dmrnet.report.pages.terminal",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, for the reference and for completion."""
    return __all__
