"""The command ``dmrnet fit``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmrnet.cli.arguments import pop_flag
from dmrnet.text import shell

if TYPE_CHECKING:
    from dmrnet.data.dataset import Splits
    from dmrnet.methods.base import Method
    from dmrnet.settings.training import Training

WATCH = {
    "csv": "{logs}/csv",
    "tensorboard": "tensorboard --logdir {logs}",
    "mlflow": "mlflow ui",
}
"""Command that shows what a logger recorded, by name; W&B prints its own."""


def run(argv: Sequence[str]) -> int:
    """Train a run, or resume it; a finished run is left as it is."""
    if "--help" in argv or "-h" in argv:
        from dmrnet.cli.fit.help import fit_help

        sys.stdout.write(fit_help([word for word in argv if word not in ("--help", "-h")]))
        return 0
    from dmrnet.cli.failures import Stopped
    from dmrnet.cli.fit.progress import FitProgress
    from dmrnet.cli.fit.start import show_start
    from dmrnet.cli.screen import loading, screen
    from dmrnet.cli.tables.scores import show_scores
    from dmrnet.settings.config import parse_run

    out, rest = pop_flag(argv, "--out")
    with loading():
        settings = parse_run(rest)
        from dmrnet.engine.default import with_method
        from dmrnet.engine.fit import fit_run
        from dmrnet.engine.run.folder import RunFolder

    # Without a method the data are read first, to know the task, and once.
    settings, splits, default = with_method(settings, out)
    name = f"{settings.dataset}-{settings.method.name}-{settings.recipe}-seed{settings.seed}"
    folder = Path(out or Path("runs") / name)
    console = screen()
    with FitProgress(screen(error=True)) as progress:

        def started(splits: Splits, method: Method, training: Training) -> None:
            progress.restart()
            show_start(console, settings, splits, method, training, folder, default)

        try:
            trained = fit_run(settings, folder, report=progress, started=started, splits=splits)
        except KeyboardInterrupt as stop:
            raise Stopped(
                f"the same command goes on from the last checkpoint in {folder}"
            ) from stop
    if not trained:
        if default is not None:
            console.print(f"method: {default}", soft_wrap=True)
        console.print(f"{folder} holds this run, finished; nothing to do.", soft_wrap=True)
    run_folder = RunFolder(folder)
    facts = run_folder.read_facts() | {"modalities": run_folder.fact("modalities")}
    rows = run_folder.rows()
    if trained:
        console.print(_trained(facts, rows), soft_wrap=True)
    show_scores(console, rows, "val", facts)
    if trained and settings.training.logger in WATCH:
        watch = WATCH[settings.training.logger].format(logs=folder / "logs")
        console.print(f"\nwatch: {watch}", soft_wrap=True)
    more = "" if "test" in run_folder.fact("samples") else " --test FILE"
    console.print(f"\nnext: {shell('dmrnet', 'evaluate', folder)}{more}", soft_wrap=True)
    return 0


def _trained(facts: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the line about the time of training and the epoch whose weights are kept."""
    from dmrnet.cli.screen import clock

    seconds = [float(row["value"]) for row in rows if row["metric"] == "train_seconds"]
    time = f"trained in {clock(seconds[0])}; " if seconds else ""
    return f"{time}the weights of epoch {facts['best_epoch'] + 1} of {facts['max_epochs']} are kept"
