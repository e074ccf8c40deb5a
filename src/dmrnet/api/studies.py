"""Studies and reports in Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dmrnet.api.run import Run, open_run
from dmrnet.report.build import Report
from dmrnet.report.build import build_report as write_report
from dmrnet.studies.analyses import analyse_members
from dmrnet.studies.form import read_study, study_of
from dmrnet.studies.labels import baseline_of, names_of
from dmrnet.studies.names import check_names
from dmrnet.studies.peers import fit_peers
from dmrnet.studies.plan import plan
from dmrnet.studies.resolve import resolve
from dmrnet.studies.search.run import check_search, run_search
from dmrnet.studies.search.spaces import searched_settings
from dmrnet.studies.shipped import find_study
from dmrnet.studies.workers.events import Failed, Job
from dmrnet.studies.workers.pool import run_jobs


@dataclass(frozen=True)
class FinishedStudy:
    """A study whose runs are made.

    Attributes:
        report: Its report: paths of the page, the tables and the figures.
        folders: Folders of its finished runs.
        failed: Reason of each run that failed, by its label.
        chosen: Settings that the study's search chose, by system and name; empty without a search.
    """

    report: Report
    folders: tuple[Path, ...]
    failed: Mapping[str, str]
    chosen: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def runs(self) -> list[Run]:
        """Open the finished runs."""
        return [open_run(folder) for folder in self.folders]

    def _repr_html_(self) -> str:
        """Return a link to the page, for notebooks."""
        return f"<a href='{self.report.page}'>{self.report.page}</a>"


def run_study(
    study: str | Path | Mapping[str, Any],
    out: str | Path | None = None,
    workers: int = 1,
    threads: int = 1,
    **settings: object,
) -> FinishedStudy:
    """Make the runs of a study in worker processes and report them, as ``dmrnet study`` does.

    A study with a search first chooses settings on validation. Finished runs in the folder are not
    made again. Methods and data sets of other packages are there by their entry points; what only
    this process has registered is not.

    Args:
        study: Name of a shipped study, path of a YAML file, or the content of one.
        out: Folder for runs and report; by default ``runs/NAME``.
        workers: Largest number of processes.
        threads: Threads of each process.
        settings: Settings of every run by name, such as ``max_epochs=3``.

    Raises:
        FileNotFoundError: If there is no such study.
        ValueError: If the study or a setting is not understood, or every run failed.
        ModuleNotFoundError: If it has a search that needs Optuna, which is not installed.
    """
    spec = study_of(study) if isinstance(study, Mapping) else read_study(find_study(str(study)))
    out = Path(out or Path("runs") / (spec.path.stem if spec.path else spec.title))
    counts: dict[str, object] = {"workers": workers, "threads": threads}
    for count, number in counts.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise ValueError(f"{count}: expected a whole number above 0, got {number!r}")
    flags = [word for key, value in settings.items() for word in (f"--{key}", str(value))]
    planned = plan(spec, (*flags, "--threads", str(threads)))
    check_names(spec)
    if spec.search is not None:
        check_search(spec, planned)
    failed: dict[str, str] = {}

    def make(jobs: Sequence[Job], folder: Path) -> None:
        made = run_jobs(jobs, folder / "runs", workers, folder / "logs", threads=threads)
        with closing(made) as events:
            for event in events:
                if isinstance(event.message, Failed) and event.job is not None:
                    failed[jobs[event.job].label] = event.message.error

    chosen: Mapping[str, Mapping[str, str]] = {}
    if spec.search is not None:
        fixed = [name.replace("_", "-") for name in settings]
        planned, _, chosen = run_search(spec, planned, fixed, make, out)
        if not planned.systems:
            label, reason = next(iter(failed.items()))
            raise ValueError(f"no setting could be trained; {label}: {reason}")
    members = resolve(planned, out / "runs")
    make([member.job for member in members if not member.finished], out)
    finished = [member for member in members if member.finished]
    if not finished:
        label, reason = next(iter(failed.items()))
        raise ValueError(f"every run failed; {label}: {reason}")
    if spec.analyses:
        analyse_members(finished, planned.systems, spec.analyses, lambda _: None)
    others = fit_peers(spec.peers, (m.settings for m in finished), out / "peers", lambda _: None)
    folders = tuple(member.folder for member in finished)
    split = "test" if all(member.tested for member in finished) else "val"
    searched = searched_settings(spec)
    baseline = baseline_of(spec, planned, finished, searched)
    names = names_of(planned, finished, searched, every=bool(others))
    compared = [*folders, *(others if split == "test" else ())]
    report = write_report(compared, out / "report", baseline, split, names, searched)
    return FinishedStudy(report, folders, failed, chosen)


def build_report(
    runs: Run | str | Path | Iterable[Run | str | Path],
    out: str | Path,
    baseline: str = "sf-md",
    split: str = "test",
    overwrite: bool = False,
    samples: bool | None = None,
) -> Report:
    """Write a page with tables and figures that compares runs, as ``dmrnet report`` does.

    Args:
        runs: Runs, or their folders, one or several; evaluated, unless `split` is val.
        out: Folder for ``report.html``, ``report.md``, ``report.tex`` and ``figures/``.
        baseline: Method that the others are compared to.
        split: ``test``, or ``val`` for the scores on validation.
        overwrite: Whether files of these names that are of no earlier report are replaced as well.
        samples: Whether pictures of test samples are shown; None: of published data sets, but not
            of your own data.

    Raises:
        FileExistsError: If a file would be replaced that is of no report.
        ValueError: If a run has no scores on the split.
        FileNotFoundError: If a folder holds no run.
    """
    runs = [runs] if isinstance(runs, Run | str | Path) else runs
    folders = [run.path if isinstance(run, Run) else Path(run) for run in runs]
    return write_report(folders, Path(out), baseline, split, overwrite=overwrite, samples=samples)
