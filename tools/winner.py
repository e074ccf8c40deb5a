"""Keep the rows of ``dmrnet study winner``, and draw the figures of its page.

Keep what is finished, whole study or not, with the study's own arguments after ``--``, and with the
run folders of the cheap baselines (``tools/baselines.py``), if there are any::

    python tools/winner.py keep --baselines runs/cheap -- winner --root prepared --out runs/winner

``--also OUT`` adds what another folder of the study has, for example of a method that came later.

Rows go to ``results/winner/rows``, one file per data set. ``python tools/make_results.py pages``
then writes the page ``docs/results/winner.md`` (`winner_page`), and
``python tools/winner.py figures`` its figures.
"""

from __future__ import annotations

import argparse
import json
import runpy
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dmrnet.report.figures.drawing.figure import standalone

ROOT = Path(__file__).parents[1]
NAME = "winner"
KEPT = ("train_cpu_seconds", "train_seconds", "train_samples", "epochs", "parameters")
"""Metrics of whole runs that are kept."""


def keep(words: list[str], baselines: Path | None, folder: Path, also: Sequence[Path] = ()) -> None:
    """Copy the rows of finished runs, one file per data set, and record the study.

    Args:
        words: Arguments of ``dmrnet study``.
        baselines: Folder of cheap baselines; None without.
        folder: Folder to write to.
        also: Other folders of the study (``--out``); what they have replaces systems of the first.
            A folder whose search is not finished has none.
    """
    from dmrnet.settings.config import parse_run
    from dmrnet.studies.form import read_study
    from dmrnet.studies.plan import Plan, StudySystem
    from dmrnet.studies.plan import plan as whole
    from dmrnet.studies.resolve import Member, resolve
    from dmrnet.studies.search.spaces import searched_settings
    from dmrnet.studies.search.trials import Trial, full_label

    make_results = runpy.run_path(str(ROOT / "tools" / "make_results.py"))
    systems: dict[str, StudySystem] = {}
    runs: dict[str, list[Member]] = {}
    trials: dict[str, list[Trial]] = {}
    searched = [out for out in also if (out / "search" / "trials.jsonl").is_file()]
    for more in [[], *(["--out", str(out)] for out in searched)]:
        study, planned, tried, out, path = make_results["planned_study"]([*words, *more])
        systems |= {full_label(one): one for one in planned.systems}
        found: dict[str, list[Member]] = {}
        for member in resolve(planned, out / "runs"):
            found.setdefault(full_label(planned.systems[member.system]), []).append(member)
        runs |= found
        trials |= {label: [t for t in tried if t.label == label] for label in found}
    rows = folder / "rows"
    rows.mkdir(parents=True, exist_ok=True)
    done = Plan(tuple(systems.values()), (), (), ())
    every = [trial for of in trials.values() for trial in of]
    record = make_results["study_record"](study, done, every, words)
    # Without the folders of whoever keeps them.
    record["command"] = f"dmrnet study {NAME} --root prepared --workers 2 --out runs/{NAME}"
    record |= {"shared": [*study.settings], "chosen": [*searched_settings(study)], "data": {}}
    record |= {"names": [], "planned": len(whole(read_study(path)).jobs)}
    for data in study.data:
        mine = [label for label, one in systems.items() if one.data == data]
        if not mine:
            continue
        members = [member for label in mine for member in runs[label]]
        finished = [member for member in members if member.finished]
        lines = [line for member in finished for line in _test_lines(member.folder)]
        if lines:
            (rows / f"{data}.jsonl").write_text("".join(lines))
        record["names"] += [
            {"name": systems[label].name, **_system_of(member.folder)}
            for label in mine
            if systems[label].name != systems[label].method
            for member in runs[label][:1]
            if member.finished
        ]
        record["data"][data] = {
            "label": parse_run((*systems[mine[0]].argv, "--seed", "0")).data_label,
            "set": study.dataset(data),
            "runs": len(members),
            "finished": len(finished),
        }
    if baselines is not None:
        _keep_baselines(baselines, rows, {of["label"]: key for key, of in record["data"].items()})
    (folder / f"{NAME}.json").write_text(json.dumps(record, indent=1) + "\n")


def _system_of(folder: Path) -> dict[str, Any]:
    """Return what tells the system of a run apart, as in its rows."""
    with (folder / "results.jsonl").open() as lines:
        row = json.loads(next(lines))
    return {key: row[key] for key in ("method", "recipe", "settings")}


def _test_lines(folder: Path) -> Iterator[str]:
    """Yield the rows of a run that the page needs: accuracy on test, and costs."""
    for line in (folder / "results.jsonl").read_text().splitlines():
        row = json.loads(line)
        scored = row["split"] == "test" and row["metric"] == "accuracy"
        if scored or (row["combination"] == "" and row["metric"] in KEPT):
            yield line + "\n"


def _keep_baselines(runs: Path, rows: Path, keys: Mapping[str, str]) -> None:
    kept: dict[str, list[str]] = {}
    for folder in sorted(path.parent for path in runs.glob("runs/*/results.jsonl")):
        lines = [*_test_lines(folder)]
        key = keys.get(json.loads(lines[0])["dataset"]) if lines else None
        if key is not None:
            kept.setdefault(key, []).extend(lines)
    for key, lines in kept.items():
        (rows / f"{key}-cheap.jsonl").write_text("".join(lines))


def main() -> int:
    """Keep rows, or draw the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    keeping = verbs.add_parser("keep")
    keeping.add_argument("--baselines", type=Path, help="folder of tools/baselines.py")
    keeping.add_argument("--also", type=Path, nargs="*", default=[], help="more folders of it")
    keeping.add_argument("words", nargs="+", help="arguments of dmrnet study, after --")
    verbs.add_parser("figures")
    options = parser.parse_args()
    folder = ROOT / "results" / NAME
    if options.verb == "keep":
        keep(options.words, options.baselines, folder, options.also)
    else:
        page = runpy.run_path(str(ROOT / "tools" / "winner_page.py"))
        for figure in page["figures"](folder):
            (ROOT / "docs" / "images" / f"{figure.name}.svg").write_text(standalone(figure.svg))
    return 0


if __name__ == "__main__":
    sys.exit(main())
