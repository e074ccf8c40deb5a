"""What a study is: a YAML file that says which methods, recipes, settings, data and seeds it has.

Imports no torch. ``docs/how-to/studies.md`` explains every key to a user.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

Settings = Mapping[str, str]
"""Names of ``dmrnet fit``'s flags, without their hyphens, and values as they are written there."""

Choices = Mapping[str, tuple[str, ...]]
"""Settings that take several values in turn."""


@dataclass(frozen=True)
class Entry:
    """One line of a study's ``methods``: a method, with what is particular to it.

    Attributes:
        method: Its name.
        label: What the study's table calls it; empty for the method's own name.
        recipes: Names of recipes; empty for those of the study.
        settings: Set in all its runs.
        grid: Settings that take several values.
        only: Data sets that it is run on; empty for all.
        leave_out: Data sets that it is not run on, and why not.
        printed_as: The method that stands for it in a printed table; empty for its own.
    """

    method: str
    label: str = ""
    recipes: tuple[str, ...] = ()
    settings: Settings = field(default_factory=dict)
    grid: Choices = field(default_factory=dict)
    only: tuple[str, ...] = ()
    leave_out: Settings = field(default_factory=dict)
    printed_as: str = ""

    @property
    def name(self) -> str:
        """Its label, or the method's name."""
        return self.label or self.method


@dataclass(frozen=True)
class Change:
    """What is different on one data set.

    Attributes:
        recipes: In place of the study's; empty for the same.
        settings: Beside the study's, and before them.
        grid: Beside the study's.
        methods: In place of the study's; empty for the same.
        leave_out: Names of entries that are not run on it, and why not.
        baseline: In place of the study's, where it is the only data set.
    """

    recipes: tuple[str, ...] = ()
    settings: Settings = field(default_factory=dict)
    grid: Choices = field(default_factory=dict)
    methods: tuple[Entry, ...] = ()
    leave_out: Settings = field(default_factory=dict)
    baseline: str = ""


@dataclass(frozen=True)
class Range:
    """Numbers that a search may try.

    Attributes:
        low: The smallest.
        high: The largest.
        log: Evenly by magnitude.
        whole: Whole numbers only.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Search:
    """How settings are chosen on validation before the study's own runs.

    Attributes:
        trials: So many settings are tried of every system, or all there are if they are fewer.
        seeds: Each is trained with these; the study's own runs have others.
        settings: What is searched of every system, beside what its method declares.
        own: Search what the methods declare (`dmrnet.methods.search`).
        at_once: So many are tried before the next are chosen.
    """

    trials: int = 12
    seeds: tuple[int, ...] = (1000,)
    settings: Mapping[str, tuple[str, ...] | Range] = field(default_factory=dict)
    own: bool = True
    at_once: int = 4


@dataclass(frozen=True)
class Study:
    """A grid of runs behind one table or figure.

    Attributes:
        title: One line.
        methods: Its lines.
        about: What it is for, in as many lines as that takes.
        recipes: Of every entry that names none.
        data: Data sets, by name, with settings of each; what the command line names goes before.
        seeds: Of the runs.
        settings: Of every run.
        grid: Settings that take several values, for every entry.
        baseline: Label or method that the others are compared to.
        by_data: What is different on a data set.
        protocol: Train on the paper's data as the paper prints it, or as its code does, by recipe.
        analyses: Names of analyses to be made of the finished runs.
        printed: Names of tables of the paper whose values are shown beside the measured ones.
        search: How settings are chosen before; None for no search.
        path: The file that it came from.
    """

    title: str
    methods: tuple[Entry, ...]
    about: str = ""
    recipes: tuple[str, ...] = ("best",)
    data: Mapping[str, Settings] = field(default_factory=lambda: {"mfeat": {}})
    seeds: tuple[int, ...] = (0, 1, 2)
    settings: Settings = field(default_factory=dict)
    grid: Choices = field(default_factory=dict)
    baseline: str = ""
    by_data: Mapping[str, Change] = field(default_factory=dict)
    protocol: bool = False
    analyses: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()
    search: Search | None = None
    path: Path | None = None


def as_flag(value: object) -> str:
    """Return a value of a YAML file as it is written behind a flag.

    >>> as_flag(True), as_flag(None), as_flag(0.1), as_flag(["rgb", "ir"])
    ('true', 'null', '0.1', '[rgb,ir]')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(as_flag(item) for item in value)}]"
    return str(value)
