"""arrays: the user's own data, in ``.npz`` files with one array per modality and labels ``y``.

`dmrnet.data.files.training_files` reads the files; importing this module loads neither that nor
torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dmrnet.data.filling import Cells
from dmrnet.data.sets.base import InMemory, OwnFiles

if TYPE_CHECKING:
    from dmrnet.data.dataset import Splits
    from dmrnet.data.sets.images import Images
    from dmrnet.data.sets.volumes import Volumes


@dataclass(frozen=True)
class Arrays(OwnFiles, InMemory):
    """Settings of your own data in files.

    A file has one array ``(n, ...)`` a modality and the labels ``y``: text or whole numbers are
    classes, numbers with fractions a regression, columns of 0 and 1 several labels. A row of only
    NaN says that the sample lacks the modality; so does ``present``, bool ``(n, V)``, whose columns
    follow the order of the arrays in the training file. ``samples`` may name the rows, and
    ``groups`` what they belong to, such as a patient.

    Attributes:
        modalities: Arrays to use, in this order; by default every array of the training file.
        kinds: Layout of arrays whose shape is ambiguous, e.g. `{"eeg": "sequence"}`: vector,
            sequence, image or volume, channels first, or with `-last` channels last.
        cells: What stands for missing cells, NaN in part of a modality that a sample has: its
            feature's or channel's mean or median over the training rows, or zero;
            `+indicator` appends which are missing.
        size: Height and width to which images are resized, `32x48` for all of three axes, or by
            modality: `camera=32x48,depth=16`.
        padding: Number that the steps after the end of a sequence hold, by modality, e.g. `walk=0`;
            NaN and arrays of lengths, `walk__lengths`, need no setting.
        target: What ``y`` is: classes, ordinal (ordered classes), multi-label, regression, or auto
            to recognise it.
        labels: Names of the columns of ``y``, of several labels or numbers; or ordered classes,
            from the lowest to the highest.
    """

    modalities: list[str] | None = None
    kinds: dict[str, str] | None = None
    cells: Cells = "refuse"
    size: str | None = field(default=None, metadata={"path": False})
    padding: dict[str, float] | None = None
    target: Literal["auto", "classes", "ordinal", "multi-label", "regression"] = "auto"
    labels: list[str] | None = None

    shows_inputs: ClassVar[bool] = True

    @property
    def image_size(self) -> str | None:
        """Size to which images are resized."""
        return self.size

    @property
    def padding_values(self) -> dict[str, float] | None:
        """Number that steps after the end of a sequence hold, by modality."""
        return self.padding

    def load(self, seed: int) -> Splits:
        """Return the splits, standardised by the present training rows."""
        dense = self._as_dense()
        return super().load(seed) if dense is None else dense.load(seed)

    def _as_dense(self) -> Images | Volumes | None:
        """Return the settings of a file with a class for every pixel or voxel; None for others."""
        from dmrnet.data.files.archive import open_source

        if self.target not in ("auto", "classes"):
            return None
        axes = open_source(self.train, self.groups).label_axes
        if not axes:
            return None
        one, data = ("pixel", "images") if axes == 2 else ("voxel", "volumes")
        for name in ("modalities", "kinds", "size", "padding", "labels", "rows", "missing"):
            if getattr(self, name) not in (None, 0.0):
                raise ValueError(
                    f"{self.train}: y is a class for every {one}; the data arrays read such files "
                    f"without {name}: use the data {data} (--data), which has settings of its own"
                )
        from dmrnet.data.sets.volumes import Volumes

        if axes == 2:
            return self.images
        if self.cells not in ("refuse", "mean", "zero"):
            raise ValueError(
                f"{self.train}: expected cells refuse, mean or zero for volumes with a class for "
                f"every voxel, got {self.cells}"
            )
        return Volumes(**self._of_files(), cells=self.cells)

    @property
    def images(self) -> Images:
        """Settings that read images with a class for every pixel."""
        from dmrnet.data.sets.images import Images, pixel_cells

        return Images(**self._of_files(), cells=pixel_cells(self.cells))

    def _of_files(self) -> dict[str, Any]:
        """Return the settings that all data sets in the user's own files have."""
        return {one.name: getattr(self, one.name) for one in fields(OwnFiles)}

    def whole(self, seed: int) -> Splits:
        """Return the splits with the numbers of the files; the seed draws validation rows."""
        from dmrnet.data.files.training_files import read_splits

        if (dense := self._as_dense()) is not None:
            # They are standardised when they are read.
            return dense.load(seed)

        rules = replace(
            self.rules,
            modalities=self.modalities,
            cells=self.cells,
            target=self.target,
            labels=self.labels,
        )
        return read_splits(self.train, self.val, self.test, seed, self.val_share, rules)
