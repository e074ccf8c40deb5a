"""The tables as LaTeX, as in the paper: a row per combination, ● and ○, a column per system."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dmrnet.report.pages.tables.scores import HEADLINE_TITLES, best_headlines, combination_table
from dmrnet.report.pages.tables.table import SEEN, UNSEEN, Cell, score_cell
from dmrnet.report.records.combinations import members
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.summary.summary import DataSummary

_WIDTH = 345
"""Width of a line of text, in points, in LaTeX's own classes and those of many conferences."""

_LETTER, _GAP = 4.2, 6
"""Width of a letter and of the gap between two columns, in points, in the tables' font size."""

LONGEST = 40
"""Largest number of combinations on one page; longer tables break over several pages."""

_SHORT = {
    "full": ("Full", "all modalities seen"),
    "single": ("Single", "average over single modalities"),
    "complete": ("Complete", "average over the samples that have every modality"),
}
"""Short titles, for those that are too wide, and what they mean, which the caption says."""

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    fmt.MINUS: "$-$",
    "±": r"$\pm$",
    SEEN: r"$\bullet$",
    UNSEEN: r"$\circ$",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}

_HEAD = r"""% Tables for \input{report}. They need, in the preamble:
%   \usepackage[T1]{fontenc}
%   \usepackage{booktabs}
%   \usepackage{longtable}
"""

_TABLE = r"""\begin{table}[t]
\centering\footnotesize\setlength{\tabcolsep}{3pt}
\caption{%(caption)s}\label{%(name)s}
\begin{tabular}{%(form)s}
\toprule
%(header)s
\midrule
%(rows)s
\bottomrule
\end{tabular}
\end{table}
"""

_LONG_TABLE = r"""{\footnotesize\setlength{\tabcolsep}{3pt}
\begin{longtable}{%(form)s}
\caption{%(caption)s}\label{%(name)s}\\
\toprule
%(header)s
\midrule\endfirsthead
\toprule
%(header)s
\midrule\endhead
%(rows)s
\bottomrule
\end{longtable}}
"""


def latex(summaries: Sequence[DataSummary]) -> str:
    """Return the tables of every data set and score: the headlines, then every combination."""
    parts = [_HEAD]
    for item in summaries:
        parts.append(_headlines(item))
        step = fitting(item)
        for first in range(0, len(item.systems) if item.combinations else 0, step):
            parts.append(_every_combination(item, first, step))
    return "\n".join(parts)


def fitting(summary: DataSummary) -> int:
    """Return the number of systems that fit next to each other in one table, 2 or more."""
    left = _WIDTH - sum(max(2, len(name)) * _LETTER + _GAP for name in summary.modalities)
    longest = max(len(item.label) for item in summary.systems)
    # "99.9", and its standard error in smaller letters.
    with_error = any(value.se for item in summary.systems for value in item.scores.values())
    each = max(min(longest, 16) * _LETTER, 40 if with_error else 20) + _GAP
    return max(2, int(left // each))


def escape(text: str) -> str:
    r"""Return text that LaTeX shows as it is.

    Example:
        >>> print(escape("sf_md & 50%"))
        sf\_md \& 50\%
    """
    return "".join(_SPECIAL.get(letter, letter) for letter in text)


def _every_combination(summary: DataSummary, first: int, step: int) -> str:
    systems = summary.systems[first : first + step]
    modalities = len(summary.modalities)
    scores = combination_table(summary, summary.combinations).rows
    rows, size = [], 1
    for name, cells in zip(summary.combinations, scores, strict=True):
        if len(members(name)) > size:
            size = len(members(name))
            rows.append(r"\addlinespace")
        shown = cells[-len(summary.systems) :][first : first + step]
        rows.append(_row([*map(_cell, cells[:modalities]), *map(_cell, shown)]))
    rows.append(r"\midrule")
    for key, best in best_headlines(summary).items():
        if key in ("average", "worst"):
            span = f"\\multicolumn{{{modalities}}}{{l}}{{{HEADLINE_TITLES[key]}}}"
            numbers = [_cell(score_cell(item.headlines.get(key), best, 1)) for item in systems]
            rows.append(_row([span, *numbers]))
    several = len(summary.systems) > step
    more = f" Systems {first + 1} to {first + len(systems)}." if several else ""
    return (_LONG_TABLE if len(summary.combinations) > LONGEST else _TABLE) % {
        "form": "c" * modalities + "r" * len(systems),
        "header": _row(map(escape, (*summary.modalities, *(i.label for i in systems)))),
        "rows": "\n".join(rows),
        "caption": f"{_score(summary)} on {escape(summary.dataset)} for every combination of "
        f"modalities: {escape(SEEN)} seen, {escape(UNSEEN)} missing. {_reading(summary)}{more}",
        "name": f"tab:{_plain(summary)}-combinations" + f"-{first // step + 1}" * several,
    }


def _headlines(summary: DataSummary) -> str:
    best = best_headlines(summary)
    rows = []
    for item in summary.systems:
        numbers = [_cell(score_cell(item.headlines.get(key), best[key])) for key in best]
        gain = item.differences.get("average")
        rows.append(_row([escape(item.label), *numbers, escape(fmt.difference(gain)) or "--"]))
    titles = [_SHORT[key][0] if key in _SHORT else HEADLINE_TITLES[key] for key in best]
    meant = "; ".join(": ".join(_SHORT[key]) for key in best if key in _SHORT)
    against = f"To {summary.baseline}" if summary.baseline else "Difference"
    return _TABLE % {
        "form": "l" + "r" * (len(best) + 1),
        "header": _row(map(escape, ("System", *titles, against))),
        "rows": "\n".join(rows),
        "caption": f"{_score(summary)} on {escape(summary.dataset)}. {_reading(summary)} {meant}. "
        f"Differences are of the average, in {summary.score.points}, paired by seed, with their "
        "95\\% interval (Student's t).",
        "name": f"tab:{_plain(summary)}",
    }


def _score(summary: DataSummary) -> str:
    label = summary.score.label
    way = r"$\downarrow$" if summary.score.lower_is_better else r"$\uparrow$"
    return f"{escape(label[:1].upper() + label[1:])} ({way}) {summary.score.unit}"


def _reading(summary: DataSummary) -> str:
    counts = sorted({len(item.seeds) for item in summary.systems if item.seeds})
    text = "Bold: the best, where chance does not explain its lead (paired by seed)."
    if counts:
        many = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
        text = f"Mean $\\pm$ standard error over {many} seeds. {text}"
    if summary.sources:
        listed = "; ".join(f"[{n}] {text}" for n, text in enumerate(summary.sources, start=1))
        text += f" As printed elsewhere: {escape(listed)}."
    return text


def _plain(summary: DataSummary) -> str:
    name = f"{summary.dataset}-{summary.score.name}".lower()
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)


def _cell(cell: Cell) -> str:
    mean, _, error = cell.text.partition(" ± ")
    mean = "--" if mean == fmt.NOTHING else escape(mean)
    mean = rf"\textbf{{{mean}}}" if cell.best else mean
    return mean + (rf" {{\scriptsize$\pm${error}}}" if error else "")


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
