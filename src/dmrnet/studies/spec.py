"""Description of a study: its methods, recipes, settings, data sets and seeds.

Imports no torch. ``docs/how-to/studies.md`` explains every key to users.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

Settings = Mapping[str, str]
"""Flags of ``dmrnet fit``, without leading hyphens, and their values as text."""

Choices = Mapping[str, tuple[str, ...]]
"""Settings with the list of values that each takes."""


@dataclass(frozen=True)
class Entry:
    """One entry of a study's ``methods``.

    Attributes:
        method: Name of the method.
        label: Name in tables and figures; empty for the method's name.
        recipes: Names of recipes; empty for those of the study.
        settings: Settings of all its runs.
        grid: Settings with several values.
        seeds: Replaces the study's and those of data sets; empty to keep them.
        only: Data sets to run it on; empty for all.
        leave_out: Data sets to leave out, with the reasons.
        printed_as: Method that represents it in a printed table; empty for its own.
    """

    method: str
    label: str = ""
    recipes: tuple[str, ...] = ()
    settings: Settings = field(default_factory=dict)
    grid: Choices = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    only: tuple[str, ...] = ()
    leave_out: Settings = field(default_factory=dict)
    printed_as: str = ""

    @property
    def name(self) -> str:
        """Label, or the method's name."""
        return self.label or self.method


@dataclass(frozen=True)
class Change:
    """Changes to a study on one data set.

    Attributes:
        recipes: Replaces the study's; empty to keep them.
        settings: Added to the study's, which they override.
        grid: Added to the study's.
        methods: Replaces the study's; empty to keep them.
        leave_out: Names of entries to leave out, with the reasons.
        baseline: Replaces the study's if this is the only data set.
        seeds: Replaces the study's; empty to keep them.
        seconds: Measured CPU seconds of a run of the baseline; 0 if unknown.
    """

    recipes: tuple[str, ...] = ()
    settings: Settings = field(default_factory=dict)
    grid: Choices = field(default_factory=dict)
    methods: tuple[Entry, ...] = ()
    leave_out: Settings = field(default_factory=dict)
    baseline: str = ""
    seeds: tuple[int, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Range:
    """Range of numbers to search.

    Attributes:
        low: Smallest number.
        high: Largest number.
        log: Whether to sample on a logarithmic scale.
        whole: Whether to sample integers only.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Search:
    """Search of settings on validation, before the study's own runs.

    Attributes:
        trials: Number of settings to try for every system; all of them if they are fewer.
        seeds: Seeds of every trial; the study's own runs need others.
        settings: Search space of every system, in addition to what its method declares.
        own: Whether to search what the methods declare (`dmrnet.methods.search`).
        at_once: Number of trials between two choices.
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
        title: Title in one line.
        methods: Entries.
        about: Purpose of the study, in any number of lines.
        recipes: Recipes of entries without their own.
        data: Data sets by name, with their settings; overridden by the command line. A version of a
            data set has a name of its own, and the data set's as the setting ``data``.
        seeds: Seeds of the runs.
        settings: Settings of every run.
        grid: Settings with several values, for every entry.
        baseline: Label or method to compare the others to.
        by_data: Changes by data set.
        protocol: Whether to train on the paper's data as printed or as released, by recipe.
        analyses: Names of analyses of the finished runs.
        printed: Names of the paper's tables to show next to the measured values.
        search: Search of settings beforehand; None for no search.
        costs: CPU seconds of methods, as multiples of the baseline's; 1 if not named.
        peers: Classifiers of other libraries to fit on the same rows and report; see
            `dmrnet.peers`.
        incomplete: Probability that a modality is missing from a test sample, for one more table:
            the accuracy when every system predicts the same incomplete test set; None without.
        path: File of the study.
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
    costs: Mapping[str, float] = field(default_factory=dict)
    peers: tuple[str, ...] = ()
    incomplete: float | None = None
    path: Path | None = None

    @property
    def all_entries(self) -> tuple[Entry, ...]:
        """Entries of the study, then those of single data sets."""
        changed = [entry for change in self.by_data.values() for entry in change.methods]
        return (*self.methods, *changed)

    def dataset(self, name: str) -> str:
        """Return the data set that one of the names in `data` means."""
        return self.data[name].get("data", name)


def as_flag(value: object) -> str:
    """Return a YAML value as the text of a flag's value.

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
