"""Checks before a training: the folder is of the same run, and data fit run and method."""

from __future__ import annotations

from dmrnet.data.dataset import Dataset, Splits
from dmrnet.engine.folder import RunFolder
from dmrnet.engine.seal import check_config
from dmrnet.engine.training.checkpoints import Checkpoints
from dmrnet.methods.base import Method
from dmrnet.modalities import MaskSampler
from dmrnet.settings.config import RunSettings, read_config
from dmrnet.settings.files import flat
from dmrnet.settings.paths import paths_of
from dmrnet.settings.training import Training

MOST_SHOWN = 3
"""Number of settings that differ which a message names."""


def check_settings(settings: RunSettings, folder: RunFolder, checkpoints: Checkpoints) -> None:
    """Refuse to go on with a folder that holds a run of other settings.

    Paths of data may differ, since data may have moved; `check_samples` compares their content. A
    run that failed before the end of its first epoch has nothing to lose and is not compared.

    Raises:
        ValueError: If a setting differs that could change the result.
    """
    if not (folder.config.is_file() and (folder.trained or checkpoints.existing())):
        return
    there = read_config(folder.config)
    if folder.facts.is_file():
        check_config(folder, folder.read_facts(), there)
    paths = {f"data.{name}" for name in paths_of(settings.data)}
    before, now = flat(there.to_dict()), flat(settings.to_dict())
    differing = [
        f"{key} (there {before.get(key)}, now {now.get(key)})"
        for key in {**before, **now}
        if before.get(key) != now.get(key)
        and key not in ("threads", "num_workers")
        and not (key in paths and isinstance(before.get(key), str))
    ]
    if differing:
        raise ValueError(
            f"{folder.path} holds a run with other settings: {'; '.join(differing[:MOST_SHOWN])}; "
            "choose another --out, or delete that folder"
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
            "others; restore the data, choose another --out, or delete that folder"
        )


def sampler_name(masks: MaskSampler | None) -> str | None:
    """Return the name of a sampler of the user's own; None without one."""
    if masks is None:
        return None
    kind = masks if hasattr(masks, "__qualname__") else type(masks)
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
