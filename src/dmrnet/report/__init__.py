"""Reports: from run folders to tables, figures and one page.

A report reads the rows that runs left in their folders (`dmrnet.report.records.rows` documents
them). It knows nothing of what made them, so published rows are reported in the same way.

Its rooms, each knowing only those before it: `records` (what run folders hold), `statistics`,
`summary` (systems compared), `mistakes` (what they get wrong), `figures`, `pages` (HTML, Markdown,
LaTeX, terminal). Names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmrnet.lazy import lazy_names

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

__getattr__, __dir__ = lazy_names(__name__, _HOME)
