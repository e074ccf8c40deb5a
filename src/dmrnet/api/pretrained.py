"""Opening a run that was saved for others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from dmrnet.api.outputs import TemporaryFolder
from dmrnet.api.run import Run
from dmrnet.engine.run.finished import open_run as open_finished
from dmrnet.nn.encoders.own import Factory, give_encoder


def from_pretrained(
    source: str | Path,
    revision: str | None = None,
    device: str = "cpu",
    encoders: Mapping[str, nn.Module | Factory] | None = None,
) -> Run:
    """Open a run that `Run.save_pretrained` or `Run.push_to_hub` wrote; no code in it is executed.

    Args:
        source: Folder, or repository of the Hugging Face Hub, ``owner/name``.
        revision: Branch, tag or commit of the repository.
        device: Device for its method.
        encoders: Encoders that `fit` was given, by modality; they get the run's weights.

    Returns:
        The run, in a temporary folder that lasts as long as it does; it predicts, and is evaluated
        on samples that it is given.

    Raises:
        ModuleNotFoundError: If a repository is named and the extra ``hub`` is not installed.
        FileNotFoundError: If the folder lacks a file.
        ValueError: If a file is damaged, or of something else.
    """
    from dmrnet.deploy.hub import download, restore_run

    folder = Path(source)
    if not folder.is_dir():
        if isinstance(source, Path) or source.count("/") != 1 or source.startswith((".", "/", "~")):
            raise FileNotFoundError(
                f"there is no folder {source}; expected one, or a repository owner/name"
            )
        folder = download(source, revision)
    held = TemporaryFolder()
    names = {name: give_encoder(encoder) for name, encoder in (encoders or {}).items()}
    return Run(open_finished(restore_run(folder, held.path), device, names), (held,))
