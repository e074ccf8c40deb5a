"""Training in Python: `fit` is ``dmrnet fit`` with data, encoders and callbacks of this process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from dmrnet.api.outputs import TemporaryFolder
from dmrnet.api.register import register_method
from dmrnet.api.run import Run
from dmrnet.api.state import torch_as_before
from dmrnet.data.dataset import Splits
from dmrnet.data.files.arrays.labels import Choice
from dmrnet.data.filling import Cells
from dmrnet.data.python.given import MultimodalDataset
from dmrnet.data.python.items import LazyDataset
from dmrnet.data.python.key import GivenData
from dmrnet.data.python.records import how_to_read
from dmrnet.data.registry import DATASETS, data_class
from dmrnet.data.sets.arrays import Arrays
from dmrnet.data.sets.base import DataSettings
from dmrnet.data.sets.given import Given
from dmrnet.engine.default import with_method
from dmrnet.engine.fit import fit_run
from dmrnet.engine.run.finished import open_run as open_finished
from dmrnet.engine.training.loggers import Callback, Logger
from dmrnet.engine.training.trainee import Progress
from dmrnet.methods import method as method_class
from dmrnet.methods.default import AUTO, for_recipe
from dmrnet.methods.function import Build
from dmrnet.methods.settings import MethodSettings
from dmrnet.modalities import MaskSampler
from dmrnet.nn.encoders.own import Factory, give_encoder, named_encoders
from dmrnet.objectives.own import TermFunction, own_terms
from dmrnet.objectives.term import Term
from dmrnet.settings.config import RunSettings
from dmrnet.settings.options import hint_at, options_of
from dmrnet.settings.training import Training

log = logging.getLogger(__name__)

VAL_SHARE = 0.2
"""Share of the training samples that is held out by default."""

Samples = MultimodalDataset | LazyDataset | str | Path


@torch_as_before()
def fit(
    train: Samples | DataSettings,
    val: Samples | None = None,
    test: Samples | None = None,
    *,
    method: str | MethodSettings | Build = AUTO,
    recipe: str = "best",
    encoders: Mapping[str, nn.Module | Factory | str] | None = None,
    fusion: nn.Module | Callable[..., nn.Module] | None = None,
    terms: Sequence[Term | TermFunction] = (),
    seed: int = 0,
    out: str | Path | None = None,
    val_share: float = VAL_SHARE,
    cells: Cells = "refuse",
    target: Choice = "auto",
    unscaled: Sequence[str] = (),
    masks: MaskSampler | None = None,
    report: Callable[[Progress], None] | None = None,
    logger: str | Logger | Sequence[Logger] | None = None,
    callbacks: Callback | Sequence[Callback] = (),
    **training: Any,  # noqa: ANN401
) -> Run:
    """Train a method and score it on validation, as ``dmrnet fit`` does.

    Args:
        train: Training samples: a `MultimodalDataset`, a `LazyDataset`, an ``.npz`` file, the name
            of a data set with default settings, or the settings of one.
        val: Validation samples; by default a share of the training samples is held out.
        test: Test samples, for `Run.evaluate`.
        method: Name of the method; its settings, such as ``dmrnet.method("dmr").recipe("best",
            alpha=1e-2)``; or a function from a `Task` to a `Method`, for own fusions and terms. By
            default ``auto``: ``experts`` where each sample has one class, otherwise ``dmrnet``.
        recipe: Recipe of a method that is named; without a name, any but best is of ``dmrnet``.
        encoders: Encoder of a modality by name: a module, or a class or function that returns one
            and may take the `Modality`, from ``(b, *shape)`` to a vector
            ``(b, C)``, a sequence ``(b, C, T)`` or a map ``(b, C, H, W)``, or the name of a
            registered one. Others get the encoder of their kind.
        fusion: Fusion in place of the network's: a module, or a class or function that returns one
            and may take the shapes ``(C, H, W)`` of the features by name. It maps features
            ``(b, C, H, W)`` by name, zeros where hidden, and a mask, bool ``(b, V)``, to a vector
            ``(b, C)`` or a map ``(b, C, H, W)``. A `dmrnet.nn.Fusion` gets hidden rows as they are.
        terms: Terms that are added to the total loss (Eq. 13): functions from a
            `dmrnet.objectives.Step` to a scalar, logged by their names, or a
            `dmrnet.objectives.Term`, which has a weight and a first epoch.
        seed: Seed of splits, weights, order, masks and noise.
        out: Folder of the run; a run that was stopped there goes on, and a finished one is opened.
            By default a temporary folder that lasts as long as the run.
        val_share: Share of the training samples that is held out.
        cells: What stands for missing cells, NaN in part of a modality that a sample has: with
            ``refuse`` they are an error; ``mean`` and ``median`` are those of its feature or
            channel over the training samples, ``zero`` is 0; ``mean+indicator`` and so on append
            which cells are missing. The run keeps it for later samples.
        target: What ``y`` of ``.npz`` files is, as in `MultimodalDataset`: classes, ordinal,
            multi-label, regression, or auto, which decides by the values.
        unscaled: Modalities whose numbers are not standardised, such as token numbers, or images
            for a pretrained encoder that expects pixels of a known range.
        masks: Sampler of the masks: from present, bool ``(B, V)``, and a generator to a non-empty
            part of it in every row. By default the one that `training` names.
        report: Called after every epoch.
        logger: csv, tensorboard, mlflow or wandb; or a logger of Lightning, or several. They get
            the figures of `Run.history`, the learning rate and the score of each combination.
        callbacks: Callbacks of Lightning, one or several. They find these figures in
            ``trainer.callback_metrics``, for example
            ``EarlyStopping("val_average", mode="max")``, and the method as ``pl_module.method``;
            hooks of validation are called in epochs that are scored. One that changes the training
            is recorded in ``run.json`` by its name alone.
        training: Settings of training by name, such as ``max_epochs`` or ``lr``; see
            `dmrnet.settings.training.Training`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If data and settings do not fit together.
        FileNotFoundError: If data are missing.
    """
    # Numbers of numpy, as loops over arrays give them, are numbers.
    training = {name: plain_number(value) for name, value in training.items()}
    seed = plain_number(seed)
    known = {option.key: option for option in options_of(Training)}
    for name in training:
        if name not in known:
            raise TypeError(f"fit has no setting {name!r}; {hint_at(name, known, str)}")
    if isinstance(weights := training.get("class_weights"), Mapping):
        training["class_weights"] = ",".join(f"{name}={weight}" for name, weight in weights.items())
    dataset, data = data_settings(train, val, test, val_share, cells, target, unscaled)
    if not (isinstance(method, str | MethodSettings) or callable(method)):
        raise TypeError(
            "expected method as a name, the settings of a method, or a function from a task to a "
            f"Method, got {type(method).__name__}"
        )
    if isinstance(method, type) and issubclass(method, MethodSettings):
        method = method.name
    if not isinstance(method, str | MethodSettings):
        method = register_method(method.__name__)(method).__name__
    if isinstance(method, str):
        how = method_class(for_recipe(method, recipe)).recipe(recipe)
    else:
        how = method
    if encoders:
        named = named_encoders(encoders)
        network = replace(how.network, encoders={**how.network.encoders, **named})
        how = replace(how, network=network)
    if fusion is not None:
        if not callable(fusion):
            raise TypeError(
                "expected fusion as a module, or a class or function that returns one, got "
                f"{type(fusion).__name__}"
            )
        how = replace(how, network=replace(how.network, fusion=give_encoder(fusion)))
    if isinstance(logger, str):
        training["logger"], logger = logger, None
    callbacks = [callbacks] if isinstance(callbacks, Callback) else callbacks
    loggers = [logger] if isinstance(logger, Logger) else list(logger or ())
    settings = RunSettings(dataset, data, how, recipe, Training(**training), seed)
    keep: list[object] = [part for part in (train, val, test) if part is not None]
    if out is None and settings.training.logger in ("csv", "tensorboard"):
        raise ValueError(
            f"the logger {settings.training.logger} writes into the folder of the run, which is "
            "temporary without out; give out, or a logger of Lightning with its own folder"
        )
    settings, splits, default = with_method(settings, out)
    if default is not None:
        log.info("%s", default)
    if out is None:
        keep.append(folder := TemporaryFolder())
        out = folder.path / f"{settings.method.name}-seed{seed}"
    fit_run(
        settings,
        Path(out),
        report,
        _log_warnings,
        masks=masks,
        loggers=loggers,
        callbacks=callbacks,
        terms=own_terms(terms),
        splits=splits,
    )
    return Run(open_finished(Path(out)), tuple(keep))


def _log_warnings(splits: Splits, *_: object) -> None:
    """Log what is probably wrong with the data, which the command line prints."""
    for warning in splits.warnings:
        log.warning("%s", warning)


def data_settings(
    train: Samples | DataSettings,
    val: Samples | None,
    test: Samples | None,
    val_share: float,
    cells: Cells = "refuse",
    target: Choice = "auto",
    unscaled: Sequence[str] = (),
) -> tuple[str, DataSettings]:
    """Return the name of a data set and its settings.

    Raises:
        TypeError: If samples are of several kinds, or of none that is known.
        ValueError: If there is no data set of that name.
    """
    if train is None:
        raise TypeError("expected training samples, such as a MultimodalDataset, got None")
    parts: Sequence[object] = [part for part in (train, val, test) if part is not None]
    how = {"val_share": val_share, "cells": cells, "unscaled": list(unscaled) or None}
    files = all(isinstance(part, str | Path) for part in parts) and train not in DATASETS
    if target != "auto" and not files:
        raise TypeError(
            "expected target with paths of .npz files only; give it to MultimodalDataset, or to "
            "the settings of the data set"
        )
    if any(
        all(isinstance(part, kind) for part in parts) for kind in (MultimodalDataset, LazyDataset)
    ):
        assert isinstance(train, GivenData)
        keys = [one.key if isinstance(one, GivenData) else "" for one in (train, val, test)]
        size = train.size if isinstance(train, MultimodalDataset) else None
        own: dict[str, Any] = {"absent": dict(train.absent) or None, "size": size, **how}
        return "given", Given(keys[0], keys[1], keys[2], **own, **vars(train.volumes))
    if isinstance(train, DataSettings):
        _alone(val, test, how)
        path = f"{type(train).__module__}:{type(train).__qualname__}"
        names = {path: name for name, path in DATASETS.items()}
        if path not in names:
            raise TypeError(f"{path} is no registered data set; see dmrnet.register_dataset")
        return names[path], train
    if isinstance(train, str) and train in DATASETS:
        _alone(val, test, how)
        return train, data_class(train)()
    if files:
        paths = [None if part is None else str(part) for part in (train, val, test)]
        if not str(paths[0]).endswith(".npz"):
            data_class(str(train))
        of_files: dict[str, Any] = {"val": paths[1], "test": paths[2], "target": target, **how}
        return "arrays", Arrays(str(paths[0]), **of_files)
    kinds = ", ".join(type(part).__name__ for part in parts)
    raise TypeError(
        "expected train, val and test all as MultimodalDataset, all as LazyDataset or all as paths "
        f"of .npz files, or train as the name of a data set; got {kinds}{how_to_read(train)}"
    )


def plain_number(value: Any) -> Any:  # noqa: ANN401
    """Return a number of numpy as one of Python, anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def _alone(val: object, test: object, how: Mapping[str, object]) -> None:
    """Refuse what a data set's settings do not take."""
    for name, default in (("cells", "refuse"), ("unscaled", None), ("val_share", VAL_SHARE)):
        if how[name] != default:
            raise TypeError(
                f"expected {name} in the settings of the data set, if it has that setting"
            )
    if val is not None or test is not None:
        raise TypeError("expected no val and test with a data set that has splits of its own")
