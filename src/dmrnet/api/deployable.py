"""A run that leaves its folder: as a file that runs without this package, and for the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dmrnet.api.outputs import TemporaryFolder
from dmrnet.engine.run.finished import FinishedRun

if TYPE_CHECKING:
    from dmrnet.deploy.export import Exported, Format


class Deployable:
    """Base class of `dmrnet.Run`: what writes a run for others."""

    _finished: FinishedRun

    def export(
        self,
        to: str | Path,
        format: Format = "torch-export",
        combination: str | None = None,
        quantise: Literal["int8"] | None = None,
        size: tuple[int, int] | None = None,
    ) -> Exported:
        """Write one file that predicts from any combination without this package.

        Standardising, class names and metadata are inside. The file is read back and compared with
        this run on every combination (up to 1e-4) before it is kept.

        Args:
            to: Folder for the file; made if it does not exist.
            format: ``torch-export`` (``model.pt2``, runs with torch alone), ``onnx``
                (``model.onnx``, runs with onnxruntime alone) or ``safetensors`` (weights and
                settings, for `from_pretrained`).
            combination: Names joined by ``+``: predict from these alone, without the other
                encoders; the graph then has no input ``present``.
            quantise: ``int8`` also writes ``model.int8.onnx``, and ``combinations.csv``: the
                accuracy of both on each combination.
            size: Height and width of images with a class for every pixel; those of training by
                default.

        Raises:
            ModuleNotFoundError: If the extra ``onnx`` is not installed.
            FileExistsError: If the file exists.
            ValueError: If the file would predict differently, or the arguments do not go together.
        """
        from dmrnet.deploy.export import export_run

        return export_run(self._finished, Path(to), format, combination, quantise, size)

    def save_pretrained(self, folder: str | Path, licence: str | None = None) -> Path:
        """Write weights, settings, scores and a model card, in the layout of the Hugging Face Hub.

        `from_pretrained` reads the folder. Paths of your data are left out.

        Args:
            folder: Folder for the files; made if it does not exist.
            licence: Licence of the weights, for the card, e.g. ``apache-2.0``.

        Raises:
            FileExistsError: If one of the files exists with another content.
        """
        from dmrnet.deploy.hub import write_hub_folder

        return write_hub_folder(self._finished, Path(folder), licence)

    def push_to_hub(
        self,
        to: str | Path,
        private: bool = False,
        licence: str | None = None,
        message: str = "Upload with dmrnet",
    ) -> str:
        """Upload the run to the Hugging Face Hub, in the layout that `save_pretrained` writes.

        Args:
            to: Repository, ``owner/name``, which is made if need be; or a `Path`, a local folder.
            private: Whether a new repository is private.
            licence: Licence of the weights, for the card.
            message: Message of the commit.

        Returns:
            Address of the repository, or the folder.

        Raises:
            ModuleNotFoundError: If the extra ``hub`` is not installed.
            FileExistsError: If a local folder has one of the files with another content.
        """
        from dmrnet.deploy.hub import upload

        if isinstance(to, Path):
            return str(self.save_pretrained(to, licence))
        folder = TemporaryFolder()
        return upload(self.save_pretrained(folder.path, licence), to, private, message)
