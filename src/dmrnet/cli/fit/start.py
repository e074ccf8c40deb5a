"""Summary shown before the first epoch: modalities of the data, and the plan of the training."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dmrnet.cli.screen import percent, plain_table

if TYPE_CHECKING:
    from dmrnet.data.dataset import Splits
    from dmrnet.methods.base import Method
    from dmrnet.methods.default import Default
    from dmrnet.modalities import Modality, Task
    from dmrnet.settings.config import RunSettings
    from dmrnet.settings.training import Training


MOST_TARGETS = 4
"""Number of targets that are named."""


def shape_text(modality: Modality) -> str:
    """Return the shape of a modality as text.

    >>> from dmrnet.modalities import Modality
    >>> shape_text(Modality("cam", "image", (1, 16, 15)))
    '1x16x15'
    """
    *others, last = (str(size) for size in modality.shape)
    return "x".join([*others, f"up to {last}" if modality.ragged else last]).replace("xup", " x up")


def target_text(task: Task) -> str:
    """Return what is predicted: the number of classes or labels, or the names of numbers."""
    many = len(task.classes)
    if task.target == "regression":
        names = ", ".join(task.classes[:MOST_TARGETS]) + (", ..." if many > MOST_TARGETS else "")
        return f"predicts {names} (regression)"
    what = {"multi-label": "labels", "ordinal": "ordered classes"}.get(task.target, "classes")
    return f"{many} {what}"


def show_start(
    console: Console,
    settings: RunSettings,
    splits: Splits,
    method: Method,
    training: Training,
    folder: Path,
    default: Default | None = None,
) -> None:
    """Print the modalities of the data and the settings of the training.

    `default` says why it is this method, where none was named.
    """
    encoders = [_encoder(settings, one, method) for one in splits.data_task.inputs]
    console.print(modality_table(splits, encoders))
    for note in splits.notes:
        console.print(Text(f"  {note}", style="dim"), soft_wrap=not console.is_terminal)
    for warning in splits.warnings:
        line = Text(f"  warning: {warning}", style="yellow")
        console.print(line, soft_wrap=not console.is_terminal)
    parts = splits.parts()
    sizes = ", ".join(f"{len(part)} {role}" for role, part in parts.items())
    sizes += "" if "test" in parts else ", no test file"
    parameters = sum(p.numel() for p in method.parameters())
    changed = ", ".join(f"{key} {value}" for key, value in settings.changed().items())
    facts = {
        "data": f"{splits.name}: {sizes}; {target_text(splits.train.task)}{_most_frequent(splits)}",
        "method": f"{settings.method.name}, recipe {settings.recipe}, seed {settings.seed}, "
        f"{parameters:,} parameters",
        "default": "" if default is None else str(default),
        "training": f"{training.max_epochs} epochs, batches of {training.batch_size}, "
        f"{training.optimizer}, lr {training.lr:g} {training.schedule}",
        "set": changed,
        "into": str(folder),
    }
    for name, text in facts.items():
        if text:
            fact = Text.assemble((f"{name:<9}", "bold"), text)
            console.print(fact, soft_wrap=not console.is_terminal)
    console.print()


def _most_frequent(splits: Splits) -> str:
    """Return what the most frequent class alone would score on validation."""
    target = splits.val.target
    if splits.val.task.dense or target.dim() != 1 or target.is_floating_point():
        return ""
    if not bool((target >= 0).all()):
        return ""
    share = float(target.bincount().max()) / len(target)
    return f" (the most frequent alone: {percent(share)} of val)"


def modality_table(splits: Splits, encoders: Sequence[str] = ()) -> Table:
    """Return kind, shape and presence of each modality, and its encoder where they are given."""
    parts = splits.parts()
    table = plain_table(("modality", "kind", "shape"), [f"in {role}" for role in parts])
    if encoders:
        table.add_column("encoder")
    for column, modality in enumerate(splits.data_task.inputs):
        shares = [float(part.present[:, column].double().mean()) for part in parts.values()]
        texts = (modality.kind, shape_text(modality), *map(percent, shares))
        table.add_row(modality.name, *texts, *encoders[column : column + 1])
    return table


def _encoder(settings: RunSettings, modality: Modality, method: Method) -> str:
    from dmrnet.nn.systems.experts.expert import ModalityExpert

    network = settings.method.network
    name = network.encoders.get(modality.name, network.encoder)
    encoder = method.encoders[method.modalities.index(modality.name)]
    own, expert = encoder, ""
    if isinstance(encoder, ModalityExpert):
        own, expert = encoder.encoder, " with expert"
    if name == "auto":
        words = re.sub("(?<=[a-z])(?=[A-Z])", " ", type(own).__name__)
        name = words.removesuffix("Encoder").strip().lower()
    return f"{name}{expert}, {sum(p.numel() for p in encoder.parameters()):,}"
