"""Size and cost of a study, printed before its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from dmrnet.cli.screen import counted
from dmrnet.report.statistics.formatting import duration
from dmrnet.studies.cost import cpu_seconds
from dmrnet.studies.plan import Plan
from dmrnet.studies.resolve import Member
from dmrnet.studies.search.trials import Trial
from dmrnet.studies.spec import Study


def show_plan(
    console: Console, study: Study, planned: Plan, members: Sequence[Member], out: Path
) -> None:
    """Print the size of a study, and what is left out and why."""
    done = sum(member.finished for member in members)
    lines = len(planned.systems) // len(study.data) if len(study.data) > 1 else len(planned.systems)
    console.print(
        f"{study.title}: {counted(lines, 'system')} x {_seeds(planned)} on "
        f"{', '.join(study.data)}; {counted(len(members), 'run')}, {done} of them finished, "
        f"into {out}",
        soft_wrap=True,
    )
    _show_left_out(console, planned)


def show_search(console: Console, study: Study, planned: Plan) -> None:
    """Print the size of a study with a search."""
    spec = study.search
    assert spec is not None
    console.print(
        f"{study.title}: up to {spec.trials} settings of each of {len(planned.systems)} systems, "
        f"with {counted(len(spec.seeds), 'seed')} each, chosen on validation; then "
        f"{_seeds(planned, 'other ')} of the best",
        soft_wrap=True,
    )
    _show_left_out(console, planned)


def show_chosen(
    console: Console, trials: Sequence[Trial], chosen: Mapping[str, Mapping[str, str]]
) -> None:
    """Print the settings that a search has chosen for each system."""
    for label, settings in chosen.items():
        flags = " ".join(f"--{name} {value}" for name, value in settings.items())
        tried = sum(trial.label == label for trial in trials)
        console.print(f"best of {tried} on validation: {label}: {flags or 'nothing to choose'}")


def show_cost(console: Console, study: Study, planned: Plan, fixed: Sequence[str]) -> None:
    """Print the estimated CPU time of all runs, if the study has measured seconds.

    Settings of the command line (`fixed`) are not searched.
    """
    seconds = cpu_seconds(study, planned, fixed)
    if not seconds:
        return
    each = ", ".join(f"{data} {duration(value)}" for data, value in seconds.items())
    unknown = [data for data in study.data if data not in seconds]
    console.print(
        f"CPU time of all runs, from measured seconds: about {duration(sum(seconds.values()))} "
        f"({each})" + (f"; not measured: {', '.join(unknown)}" if unknown else ""),
        soft_wrap=True,
    )


def _seeds(planned: Plan, kind: str = "") -> str:
    numbers = sorted({len(system.seeds) for system in planned.systems})
    if len(numbers) < 2:
        return counted(sum(numbers), f"{kind}seed")
    return f"{numbers[0]} to {numbers[-1]} {kind}seeds"


def _show_left_out(console: Console, planned: Plan) -> None:
    for text in planned.left_out:
        console.print(f"  left out: {text}", soft_wrap=True, style="dim")
