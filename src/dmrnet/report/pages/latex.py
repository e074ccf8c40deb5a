"""The tables as LaTeX, as in the paper: a row a combination, ● and ○, a column a system."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dmrnet.report.pages.table import best_of, score_cell
from dmrnet.report.pages.tables import HEADLINE_TITLES, best_headlines
from dmrnet.report.records.combinations import members
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.summary.summary import DataSummary

_WIDTH = 345
"""Width of a line of text, in points, in LaTeX's own classes and those of many conferences."""

_LETTER, _GAP = 4.2, 6
"""Width of a letter and of the gap between two columns, in points, in the tables' font size."""

LONGEST = 40
"""Largest number of combinations on one page; longer tables break over several pages."""

_SHORT = {"full": "Full", "single": "Single", "complete": "Complete"}
"""Short titles, for those that are too wide; the caption says what they mean."""

_MEANT = {
    "full": "all modalities seen",
    "single": "average over single modalities",
    "complete": "average over the samples that have every modality",
}

_SEEN, _UNSEEN = r"$\bullet$", r"$\circ$"
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    fmt.MINUS: "$-$",
    "±": r"$\pm$",
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
    rows = []
    sizes = [len(members(name)) for name in summary.combinations]
    for index, name in enumerate(summary.combinations):
        if index and sizes[index] != sizes[index - 1]:
            rows.append(r"\addlinespace")
        seen = members(name)
        marks = [_SEEN if part in seen else _UNSEEN for part in summary.modalities]
        best = best_of(summary, [item.scores.get(name) for item in summary.systems])
        rows.append(_row([*marks, *(_number(i.scores.get(name), best) for i in systems)]))
    rows.append(r"\midrule")
    span = f"\\multicolumn{{{len(summary.modalities)}}}{{l}}"
    headlines = best_headlines(summary)
    for key in ("average", "worst"):
        cells = [_number(item.headlines.get(key), headlines.get(key)) for item in systems]
        rows.append(_row([f"{span}{{{HEADLINE_TITLES[key]}}}", *cells]))
    header = _row(escape(text) for text in (*summary.modalities, *(i.label for i in systems)))
    several = len(summary.systems) > step
    more = f" Systems {first + 1} to {first + len(systems)}." if several else ""
    caption = (
        f"{_score(summary)} on {escape(summary.dataset)} for every combination of modalities: "
        f"{_SEEN} seen, {_UNSEEN} missing. {_reading(summary)}{more}"
    )
    return (_LONG_TABLE if len(summary.combinations) > LONGEST else _TABLE) % {
        "form": "c" * len(summary.modalities) + "r" * len(systems),
        "header": header,
        "rows": "\n".join(rows),
        "caption": caption,
        "name": f"tab:{_plain(summary)}-combinations" + f"-{first // step + 1}" * several,
    }


def _headlines(summary: DataSummary) -> str:
    best = best_headlines(summary)
    rows = []
    for item in summary.systems:
        numbers = [_number(item.headlines.get(key), best[key], digits=2) for key in best]
        gain = item.differences.get("average")
        rows.append(_row([escape(item.label), *numbers, escape(fmt.difference(gain)) or "--"]))
    titles = [_SHORT.get(key, HEADLINE_TITLES[key]) for key in best]
    meant = "; ".join(f"{_SHORT[key]}: {_MEANT[key]}" for key in best if key in _SHORT)
    against = f"To {summary.baseline}" if summary.baseline else "Difference"
    header = _row(escape(text) for text in ("System", *titles, against))
    caption = (
        f"{_score(summary)} on {escape(summary.dataset)}. {_reading(summary)} {meant}. Differences "
        "are of the average, in percentage points, paired by seed, with their 95\\% interval "
        "(Student's t)."
    )
    return _TABLE % {
        "form": "l" + "r" * (len(best) + 1),
        "header": header,
        "rows": "\n".join(rows),
        "caption": caption,
        "name": f"tab:{_plain(summary)}",
    }


def _score(summary: DataSummary) -> str:
    label = summary.score.label
    way = r"$\downarrow$" if summary.score.lower_is_better else r"$\uparrow$"
    return f"{escape(label[:1].upper() + label[1:])} ({way}) in percent"


def _reading(summary: DataSummary) -> str:
    counts = sorted({len(item.seeds) for item in summary.systems if item.seeds})
    many = (
        f"{counts[0]} to {counts[-1]} seeds" if len(counts) > 1 else f"{(counts or [0])[0]} seeds"
    )
    text = f"Mean $\\pm$ standard error over {many}; bold is the best mean."
    if not counts:
        text = "Bold is the best."
    if summary.sources:
        listed = "; ".join(f"[{n}] {text}" for n, text in enumerate(summary.sources, start=1))
        text += f" As printed elsewhere: {escape(listed)}."
    return text


def _plain(summary: DataSummary) -> str:
    name = f"{summary.dataset}-{summary.score.name}".lower()
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)


def _number(value: Estimate | None, best: Estimate | None, digits: int = 1) -> str:
    if value is None:
        return "--"
    cell = score_cell(value, best, digits)
    mean, _, error = cell.text.partition(" ± ")
    mean = rf"\textbf{{{mean}}}" if cell.best else mean
    return mean + (rf" {{\scriptsize$\pm${error}}}" if error else "")


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
