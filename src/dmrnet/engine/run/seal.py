"""Whether the parts of a run folder belong together.

``config.yaml``, ``run.json``, the weights and the standardiser are only right together: another
method's name in the one, or the classes of the other in another order, would predict something else
without an error. A training writes its settings into ``run.json`` and, at its end, fingerprints of
the parts; opening the run compares them. Runs of earlier versions have none, and open as before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dmrnet.data.dataset import fingerprint_of_bytes, fingerprint_of_file
from dmrnet.engine.run.folder import RunFolder
from dmrnet.settings.config import QUIET, RunSettings
from dmrnet.settings.files import flat
from dmrnet.settings.paths import paths_of

SETTINGS, SEAL = "settings", "seal"
"""Keys of ``run.json``."""

LATER = frozenset((SETTINGS, SEAL, "analysed", "beside", "commit", "evaluated", "files"))
LATER |= {"finished", "notes", "platform", "presence", "started", "test_samples", "versions"}
LATER |= {"method_version", "warnings"}
"""Facts that decide no prediction, or that evaluations change."""

MEND = "restore it, or train again into another folder (out, --out)"


def decisive_settings(settings: RunSettings) -> dict[str, Any]:
    """Return the settings that decide a run, by key, as JSON has them.

    Paths of data are left out, since data may be moved; their content is compared elsewhere.
    """
    paths = {f"data.{name}" for name in paths_of(settings.data)}
    values = {
        key: value
        for key, value in flat(settings.to_dict()).items()
        if key not in QUIET and key not in paths
    }
    plain: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return plain


def seal(folder: RunFolder) -> dict[str, Any]:
    """Return the fingerprints of a run's facts, and of its files, at the end of its training."""
    facts = {key: _digest(value) for key, value in folder.read_facts().items() if key not in LATER}
    files = {
        path.name: fingerprint_of_file(path)
        for path in (folder.weights, folder.standardiser)
        if path.is_file()
    }
    return {"facts": facts, "files": files}


def check_config(folder: RunFolder, facts: Mapping[str, Any], settings: RunSettings) -> None:
    """Compare ``config.yaml`` with the settings that the run was trained with.

    Args:
        folder: Folder of the run.
        facts: Content of its ``run.json``.
        settings: What its ``config.yaml`` says.

    Raises:
        ValueError: If they differ; the message names the settings.
    """
    trained = facts.get(SETTINGS)
    if not isinstance(trained, dict):
        return
    now = decisive_settings(settings)
    changed = [
        f"{key} {_shown(now[key])}, but the run was trained with {_shown(value)}"
        for key, value in trained.items()
        if key in now and now[key] != value
    ]
    if changed:
        # Another method or data set has other settings; its name says most.
        changed.sort(key=lambda text: not text.startswith(("data.name", "method.name", "recipe")))
        more = f" (and {len(changed) - 1} more settings)" if len(changed) > 1 else ""
        raise ValueError(f"{folder.config} has {changed[0]}{more}; {MEND}")


def check_facts(folder: RunFolder, facts: Mapping[str, Any]) -> None:
    """Compare the facts of a finished run with their fingerprints.

    Raises:
        ValueError: If one differs.
    """
    for key, digest in _sealed(facts, "facts").items():
        if key not in facts or _digest(facts[key]) != digest:
            raise ValueError(
                f"{folder.facts}: {key} differs from what the run was trained with; {MEND}"
            )


def check_files(folder: RunFolder, facts: Mapping[str, Any]) -> None:
    """Compare weights and standardiser of a finished run, once read, with their fingerprints.

    Raises:
        ValueError: If one is of another run.
    """
    for path in (folder.weights, folder.standardiser):
        digest = _sealed(facts, "files").get(path.name)
        if digest is not None and path.is_file() and fingerprint_of_file(path) != digest:
            raise ValueError(f"{path} is not what this run's training wrote; {MEND}")


def sources_of(data: Any, dataset: str) -> dict[str, str]:  # noqa: ANN401
    """Return a fingerprint of each file, or prepared folder, among the settings of a data set."""
    prints = {name: source_print(path, dataset) for name, path in paths_of(data).items()}
    return {name: digest for name, digest in prints.items() if digest is not None}


def source_print(path: str | Path, dataset: str) -> str | None:
    """Return the fingerprint of a file, or of what says how a folder's data were prepared."""
    file = Path(path)
    file = file / f"{dataset}.json" if file.is_dir() else file
    return fingerprint_of_file(file) if file.is_file() else None


def _sealed(facts: Mapping[str, Any], part: str) -> dict[str, str]:
    seal = facts.get(SEAL)
    return seal.get(part, {}) if isinstance(seal, dict) else {}


def _shown(value: object) -> str:
    return "null" if value is None else str(value)


def _digest(value: object) -> str:
    return fingerprint_of_bytes(json.dumps(value, sort_keys=True).encode())
