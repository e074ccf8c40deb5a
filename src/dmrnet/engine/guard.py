"""Checks before a training: the folder is of the same run, and data fit run and method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dmrnet.data.dataset import Dataset, Splits
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.run.seal import check_config
from dmrnet.engine.training.checkpoints import Checkpoints
from dmrnet.methods.base import Method
from dmrnet.modalities import MaskSampler
from dmrnet.objectives import Term
from dmrnet.settings.config import RunSettings, read_config
from dmrnet.settings.files import flat
from dmrnet.settings.paths import paths_of
from dmrnet.settings.training import LENGTHENED, Training

CHANGES = {"max_epochs"}
"""Settings that may change when a finished run goes on."""

MOST_SHOWN = 3
"""Number of settings that differ which a message names."""


def settings_to_continue(
    settings: RunSettings, checkpoints: Checkpoints
) -> tuple[RunSettings, bool]:
    """Return the settings to train a folder's run with, and whether it is finished with them.

    If the folder holds the same run finished after fewer epochs, their number is added to
    `continued_after`: what was trained stays as it is, and the result is that of one training with
    these settings. Earlier entries of `continued_after` are kept.

    Raises:
        ValueError: If the folder holds a run of other settings, or the finished run cannot go on
            for more epochs; the message says why, and what to do.
    """
    folder = checkpoints.folder
    if not holds_run(checkpoints):
        return settings, False
    before, now = read_config(folder.config).training, settings.training
    if now.continued_after is None and now.schedule == before.schedule:
        now = replace(now, continued_after=before.continued_after)
        settings = replace(settings, training=now)
    other = folder.trained and {*differing(settings, folder)} == CHANGES
    done = int(folder.fact("max_epochs")) if other else 0
    if not other or now.max_epochs is None or now.stretched(now.max_epochs) <= done:
        check_settings(settings, folder)
        return settings, folder.trained
    if why := _why_not(settings, checkpoints, done):
        raise ValueError(
            f"{folder.path} holds this run, finished after epoch {done}; it cannot go on to "
            f"{now.max_epochs}, since {why}; choose another folder (out, --out) to train for "
            "more epochs from the start"
        )
    ends = [*(now.continued_after or ()), done]
    return replace(settings, training=replace(now, continued_after=ends)), False


def _why_not(settings: RunSettings, checkpoints: Checkpoints, done: int) -> str:
    """Return why a finished run cannot go on after its last epoch; empty if it can."""
    schedule, of_method = settings.training.schedule, settings.method
    if schedule not in LENGTHENED:
        return (
            f"the schedule {schedule} is as long as the training, and its learning rate has come "
            f"to the end (schedules without an end: {', '.join(sorted(LENGTHENED))})"
        )
    if (trained := len(checkpoints.folder.losses())) < done:
        return f"patience or a callback stopped it after epoch {trained}"
    if of_method.method_class.needs.prerequisite and of_method.prerequisite_run() is None:
        return "its teacher was trained for as many epochs as it"
    newest = checkpoints.newest()
    if newest is None or newest.epoch + 1 != done:
        return "the state of its optimizer was not kept"
    return ""


def holds_run(checkpoints: Checkpoints) -> bool:
    """Whether there is something to lose; not if a run failed before the end of its first epoch."""
    folder = checkpoints.folder
    return folder.config.is_file() and (folder.trained or bool(checkpoints.existing()))


def differing(settings: RunSettings, folder: RunFolder) -> dict[str, tuple[object, object]]:
    """Return the settings that could change a result and differ from those of a folder's run.

    Paths of data may differ, since data may have moved; `check_samples` compares their content.

    Returns:
        Value in the folder and value requested now, by key.
    """
    paths = {f"data.{name}" for name in paths_of(settings.data)}
    stored = read_config(folder.config)
    if folder.facts.is_file():
        check_config(folder, folder.read_facts(), stored)
    before, now = flat(stored.to_dict()), flat(settings.to_dict())
    return {
        key: (before.get(key), now.get(key))
        for key in {**before, **now}
        if before.get(key) != now.get(key)
        and key not in ("threads", "num_workers", "logger")
        and not (key in paths and isinstance(before.get(key), str))
    }


def check_settings(settings: RunSettings, folder: RunFolder) -> None:
    """Refuse to go on with a folder that holds a run of other settings.

    Raises:
        ValueError: If a setting differs that could change the result.
    """
    changed = differing(settings, folder)
    if not changed:
        return
    shown = [f"{key} (there {old}, now {new})" for key, (old, new) in changed.items()]
    way_out = "choose another folder (out, --out), or delete that one"
    if not folder.trained:
        way_out = f"go on with its own settings ({folder.config}), {way_out}"
    raise ValueError(
        f"{folder.path} holds a run with other settings: {'; '.join(shown[:MOST_SHOWN])}; {way_out}"
    )


def check_samples(splits: Splits, folder: RunFolder) -> None:
    """Refuse to go on with a run on other data than it began with.

    Raises:
        ValueError: If the samples of a split differ.
    """
    before: dict[str, str] = folder.read_facts().get("content", {})
    now = splits.fingerprints()
    changed = [name for name in before if before[name] != now.get(name)]
    if changed:
        raise ValueError(
            f"expected the {' and '.join(changed)} samples with which {folder.path} began, got "
            "others; restore the data, choose another folder (out, --out), or delete that one"
        )


def sampler_name(masks: MaskSampler | None) -> str | None:
    """Return the name of a sampler of the user's own; None without one."""
    return None if masks is None else qualified_name(masks)


def qualified_name(part: object) -> str:
    """Return the import path of a function or class, or of the class of an object.

    >>> qualified_name(RunFolder), qualified_name(Training())
    ('dmrnet.engine.run.folder.RunFolder', 'dmrnet.settings.training.Training')
    """
    kind: Any = part if hasattr(part, "__qualname__") else type(part)
    return f"{kind.__module__}.{kind.__qualname__}"


def check_masks(masks: MaskSampler | None, folder: RunFolder) -> None:
    """Refuse to go on with a run whose masks another sampler drew.

    Raises:
        ValueError: If the sampler differs.
    """
    before, now = folder.read_facts().get("masks"), sampler_name(masks)
    if before != now:
        raise ValueError(
            f"{folder.path} holds a run with masks of {before or 'its settings'}, now they are of "
            f"{now or 'the settings'}; choose another out, or delete that folder"
        )


def check_terms(terms: Sequence[Term], folder: RunFolder) -> None:
    """Refuse to go on with a run whose loss had other terms of the user's own.

    Raises:
        ValueError: If their names differ.
    """
    before, now = folder.read_facts().get("terms", []), [term.name for term in terms]
    if before != now:
        raise ValueError(
            f"{folder.path} holds a run with the own terms {', '.join(before) or 'none'}, now they "
            f"are {', '.join(now) or 'none'}; choose another out, or delete that folder"
        )


def check_fusion(method: Method, settings: RunSettings) -> None:
    """Refuse a fusion of the user's own that the method has not built in.

    Raises:
        ValueError: If the method has a fusion of its own.
    """
    name = settings.method.network.fusion
    if name != "auto" and not method.fusion.given:
        raise ValueError(
            f"the method {settings.method.name} has a fusion of its own; give yours to another, "
            "such as sf-md, dmr or dmrnet"
        )


def check_rates(training: Training, modalities: tuple[str, ...]) -> None:
    """Refuse rates of presence that are not one for each modality.

    Raises:
        ValueError: If their number differs.
    """
    if training.rates and len(training.rates) != len(modalities):
        raise ValueError(
            f"expected a rate for each of {', '.join(modalities)}, got {len(training.rates)}"
        )


def check_needs(method: Method, train: Dataset) -> None:
    """Refuse training samples that a method cannot learn from.

    Raises:
        ValueError: If it needs complete samples, and one lacks a modality.
    """
    if not method.needs.complete or bool(train.present.all()):
        return
    row = int((~train.present).any(1).nonzero()[0, 0])
    columns = zip(method.modalities, train.present[row].tolist(), strict=True)
    lacks = ", ".join(name for name, present in columns if not present)
    raise ValueError(
        f"{type(method).__name__} needs training samples that have every modality, but sample "
        f"{row} lacks {lacks}; leave such samples out, or use a method that can do without"
    )
