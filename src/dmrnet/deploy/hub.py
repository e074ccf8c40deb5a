"""The layout of the Hugging Face Hub: weights, settings, and a card with the table.

A folder holds ``model.safetensors`` (weights and standardiser, with the metadata in its header),
``config.json`` (what builds the method), ``results.jsonl`` (scores), ``confidence.npz`` (what
calibrates it, if anything), ``README.md`` (the card) and ``combinations.png``. No file can contain
code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from dmrnet.deploy.card import card_of, picture_of
from dmrnet.deploy.export import Exported, refuse_existing
from dmrnet.deploy.graph import graph_of
from dmrnet.deploy.metadata import metadata_of
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.scores.confidence import read_confidence
from dmrnet.settings.config import RunSettings
from dmrnet.settings.paths import paths_of
from dmrnet.storage import json_lines, read_json, write_together

WEIGHTS, CONFIG, RESULTS, CARD = "model.safetensors", "config.json", "results.jsonl", "README.md"
CONFIDENCE, PICTURE = "confidence.npz", "combinations.png"
STANDARDISER = "standardiser."
"""Start of the names of the standardiser's tensors in the file of weights."""

FACTS = (
    "versions",
    "dataset",
    "method_version",
    "modalities",
    "inputs",
    "classes",
    "whole_labels",
    "dense",
    "target",
    "scale",
    "thresholds",
    "score",
    "columns",
    "encoding",
    "features",
    "samples",
    "content",
    "standardised",
    "max_epochs",
    "batch_size",
    "finished",
    "best_epoch",
)
"""Facts of ``run.json`` that go along; others name files and machines."""


def write_weights(run: FinishedRun, to: Path) -> Exported:
    """Write the weights and the settings of a run; see `dmrnet.deploy.export_run`."""
    files, metadata = _weights_of(run)
    contents = {to / name: content for name, content in files.items()}
    refuse_existing(contents)
    write_together(contents)
    return Exported(to / WEIGHTS, metadata, 0, 0.0)


def write_hub_folder(run: FinishedRun, to: Path, licence: str | None = None) -> Path:
    """Write a run in the layout of the Hub: weights, settings, scores, card and picture.

    Args:
        run: The run.
        to: Folder for the files; made if it does not exist.
        licence: Licence of the weights, for the card, e.g. ``apache-2.0``.

    Raises:
        FileExistsError: If one of the files exists with another content.
    """
    files, metadata = _weights_of(run)
    scored = bool(metadata["scores"]["combinations"])
    if scored:
        files[PICTURE] = picture_of(run.folder.path, metadata["scores"]["split"])
    files[CARD] = card_of(metadata, PICTURE if scored else None, licence).encode()
    contents = {to / name: content for name, content in files.items()}
    refuse_existing(p for p, new in contents.items() if p.is_file() and p.read_bytes() != new)
    write_together(contents)
    return to


def _weights_of(run: FinishedRun) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the files that predictions need, and their metadata."""
    from dmrnet import __version__

    graph = graph_of(run.method, run.standardiser, confidence=read_confidence(run.folder))
    metadata = metadata_of(run, graph)
    state = {name: x.detach().cpu().contiguous() for name, x in run.method.state_dict().items()}
    if run.standardiser is not None:
        scale = run.standardiser.state().items()
        state |= {STANDARDISER + name: x.contiguous() for name, x in scale}
    # One key: the order of several changes from one file to the next.
    header = {"dmrnet": json.dumps(metadata)}
    facts = run.folder.read_facts()
    config = {
        "model_type": "dmrnet",
        "dmrnet_version": __version__,
        "settings": _without_paths(run.settings),
        "facts": {key: facts[key] for key in FACTS if key in facts},
    }
    files = {
        WEIGHTS: save(state, metadata=header),
        CONFIG: f"{json.dumps(config, indent=2)}\n".encode(),
        RESULTS: json_lines(run.folder.rows()).encode(),
    }
    if run.folder.confidence.is_file():
        files[CONFIDENCE] = run.folder.confidence.read_bytes()
    return files, metadata


def _without_paths(settings: RunSettings) -> dict[str, Any]:
    """Return settings in which files of the user's own are named without their folders."""
    plain = settings.to_dict()
    names = {field: Path(path).name for field, path in paths_of(settings.data).items()}
    # A teacher is needed only to train.
    teacher = {"teacher": None} if "teacher" in plain["method"] else {}
    return {**plain, "data": {**plain["data"], **names}, "method": {**plain["method"], **teacher}}


def restore_run(folder: Path, into: Path) -> Path:
    """Write the files of a run, from a folder in the layout of the Hub.

    Args:
        folder: Folder that `write_hub_folder` or `write_weights` wrote.
        into: Folder for the run; it must not exist yet, or be empty.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is damaged, or of something else.
    """
    import yaml

    for name in (WEIGHTS, CONFIG):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder} has no {name}; expected a folder or repository that "
                "run.save_pretrained or run.push_to_hub wrote"
            )
    config = read_json(folder / CONFIG)
    facts, settings = config.get("facts"), config.get("settings")
    if not isinstance(facts, Mapping) or not isinstance(settings, Mapping):
        raise ValueError(
            f"{folder / CONFIG}: expected settings and facts of a run of dmrnet, got "
            f"{', '.join(map(str, config)) or 'nothing'}"
        )
    weights, scale = _read_weights(folder / WEIGHTS)
    facts = {**facts, **_target_of(folder, facts)}
    run = RunFolder(into)
    contents = {
        run.weights: save(weights),
        run.config: yaml.safe_dump(dict(settings), allow_unicode=True, sort_keys=False).encode(),
        run.facts: f"{json.dumps(facts, indent=2)}\n".encode(),
    }
    if scale:
        contents[run.standardiser] = save(scale)
    for name, path in ((RESULTS, run.results), (CONFIDENCE, run.confidence)):
        if (folder / name).is_file():
            contents[path] = (folder / name).read_bytes()
    write_together(contents)
    return into


def _target_of(folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is predicted, where an earlier version did not write it into the facts.

    Raises:
        ValueError: If it cannot be known.
    """
    if "target" in facts:
        return {}
    target = read_header(folder / WEIGHTS).get("target", "classes")
    if target == "regression":
        raise ValueError(
            f"{folder} was written by an earlier version, without the unit of the numbers that it "
            "predicts; write it again from its run, with run.save_pretrained"
        )
    return {"target": target}


def _read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the weights of the method, and the tensors of the standardiser."""
    try:
        state = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is corrupt or no safetensors file: {error}") from error
    scale = {
        name.removeprefix(STANDARDISER): x
        for name, x in state.items()
        if name.startswith(STANDARDISER)
    }
    return {n: x for n, x in state.items() if not n.startswith(STANDARDISER)}, scale


def read_header(path: Path) -> dict[str, Any]:
    """Return the metadata in the header of a file of weights."""
    with safe_open(path, "pt") as stream:
        header = stream.metadata() or {}
    content: dict[str, Any] = json.loads(header.get("dmrnet", "{}"))
    return content


def download(repository: str, revision: str | None = None) -> Path:
    """Download a repository of the Hub, or find it in the cache; return its folder.

    Raises:
        ModuleNotFoundError: If the extra ``hub`` is not installed.
    """
    hub = _hub()
    wanted = [WEIGHTS, CONFIG, RESULTS, CONFIDENCE]
    return Path(hub.snapshot_download(repository, revision=revision, allow_patterns=wanted))


def upload(folder: Path, repository: str, private: bool, message: str) -> str:
    """Upload a folder to a repository of the Hub, which is made if need be; return its address.

    The token is that of ``hf auth login`` or of the environment variable ``HF_TOKEN``.

    Raises:
        ModuleNotFoundError: If the extra ``hub`` is not installed.
    """
    api = _hub().HfApi()
    address = api.create_repo(repository, private=private, exist_ok=True)
    api.upload_folder(repo_id=repository, folder_path=folder, commit_message=message)
    return str(address)


def _hub() -> Any:  # noqa: ANN401
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the Hugging Face Hub needs the package huggingface_hub: pip install 'dmrnet[hub]'; "
            "run.save_pretrained writes the same files into a folder without it",
            name="huggingface_hub",
        ) from error
    return huggingface_hub
