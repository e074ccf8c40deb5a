"""Help text of one study."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from dmrnet.cli.arguments import columns
from dmrnet.studies.spec import Entry, Study


def described(study: Study, path: Path) -> str:
    """Return the description of a study: purpose, runs, file."""
    width = columns()
    parts = [study.title, textwrap.fill(study.about, width)]
    lines = [f"  {_entry(entry)}" for entry in study.methods]
    parts.append("\n".join(["methods:", *lines]))
    facts = {
        "recipes": ", ".join(study.recipes),
        "data": ", ".join(study.data),
        "seeds": _numbers(study.seeds),
        "seeds on": "; ".join(
            f"{name}: {_numbers(change.seeds)}"
            for name, change in study.by_data.items()
            if change.seeds
        ),
        "grid": "; ".join(f"{k}: {', '.join(v)}" for k, v in study.grid.items()),
        "analyses": ", ".join(study.analyses),
        "peers": ", ".join(study.peers),
        "file": str(path),
    }
    parts.append("\n".join(f"{name}: {text}" for name, text in facts.items() if text))
    text = "\n\n".join(part for part in parts if part) + "\n"
    return "\n".join(
        line if len(line) <= width else textwrap.fill(line, width, subsequent_indent="    ")
        for line in text.split("\n")
    )


def _entry(entry: Entry) -> str:
    words = [entry.name]
    if entry.label:
        words.append(f"({entry.method})")
    words += [f"{name}={value}" for name, value in entry.settings.items()]
    words += [f"{name}={','.join(values)}" for name, values in entry.grid.items()]
    words += [f"seeds {_numbers(entry.seeds)}"] if entry.seeds else []
    return " ".join(words)


def _numbers(seeds: Sequence[int]) -> str:
    first, last = seeds[0], seeds[-1]
    if len(seeds) > 2 and list(seeds) == list(range(first, last + 1)):
        return f"{first} to {last}"
    return ", ".join(map(str, seeds))
