"""Keep the rows of ``dmrnet study winner``, and draw the figures of its page.

Keep what is finished, whole study or not, with the study's own arguments after ``--``, and with the
run folders of the cheap baselines (``tools/baselines.py``), if there are any::

    python tools/winner.py keep --baselines runs/cheap -- winner --root prepared --out runs/winner

Rows go to ``results/winner/rows``, one file a data set. ``python tools/make_results.py pages`` then
writes the page ``docs/results/winner.md`` (`winner_page`), and ``python tools/winner.py figures``
its figures.
"""

from __future__ import annotations

import argparse
import json
import runpy
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from dmrnet.report.figures.figure import standalone

ROOT = Path(__file__).parents[1]
NAME = "winner"
KEPT = ("train_cpu_seconds", "train_seconds", "train_samples", "epochs", "parameters")
"""Metrics of whole runs that are kept."""


def keep(words: list[str], baselines: Path | None, folder: Path) -> None:
    """Copy the rows of finished runs, one file a data set, and record the study."""
    from dmrnet.settings.config import parse_run
    from dmrnet.studies.resolve import resolve
    from dmrnet.studies.search.spaces import searched_settings

    made = runpy.run_path(str(ROOT / "tools" / "make_results.py"))
    study, planned, trials, out, _ = made["planned_study"](words)
    rows = folder / "rows"
    rows.mkdir(parents=True, exist_ok=True)
    record = made["study_record"](study, planned, trials, words)
    # Without the folders of whoever keeps them.
    record["command"] = f"dmrnet study {NAME} --root prepared --workers 2 --out runs/{NAME}"
    record |= {"shared": [*study.settings], "chosen": [*searched_settings(study)], "data": {}}
    members = resolve(planned, out / "runs")
    for data in study.data:
        mine = [m for m in members if planned.systems[m.system].data == data]
        if not mine:
            continue
        finished = [member for member in mine if member.finished]
        lines = [line for member in finished for line in _test_lines(member.folder)]
        if lines:
            (rows / f"{data}.jsonl").write_text("".join(lines))
        first = next(one for one in planned.systems if one.data == data)
        label = parse_run((*first.argv, "--seed", "0")).data_label
        record["data"][data] = {
            "label": label,
            "set": study.dataset(data),
            "runs": len(mine),
            "finished": len(finished),
        }
    if baselines is not None:
        _keep_baselines(baselines, rows, {of["label"]: key for key, of in record["data"].items()})
    (folder / f"{NAME}.json").write_text(json.dumps(record, indent=1) + "\n")


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
    keeping.add_argument("words", nargs="+", help="arguments of dmrnet study, after --")
    verbs.add_parser("figures")
    options = parser.parse_args()
    folder = ROOT / "results" / NAME
    if options.verb == "keep":
        keep(options.words, options.baselines, folder)
    else:
        page = runpy.run_path(str(ROOT / "tools" / "winner_page.py"))
        for figure in page["figures"](folder):
            (ROOT / "docs" / "images" / f"{figure.name}.svg").write_text(standalone(figure.svg))
    return 0


if __name__ == "__main__":
    sys.exit(main())
