"""given: samples of this process, see `dmrnet.MultimodalDataset`; for Python only.

Settings name the samples by their fingerprint, so that a run folder says which data it is of.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from dmrnet.data.filling import Cells
from dmrnet.data.sets.base import InMemory
from dmrnet.data.volumes.options import OwnVolumes

if TYPE_CHECKING:
    from dmrnet.data.dataset import Splits
    from dmrnet.data.sets.images import Images


@dataclass(frozen=True)
class Given(OwnVolumes, InMemory):
    """Settings of data given in Python.

    Attributes:
        train: Key of the training samples.
        val: Key of the validation samples; without them, a share of the training samples is held
            out.
        test: Key of the test samples.
        val_share: Share of the training samples to hold out when there is no `val`.
        absent: Number that stands for an absent block, by modality.
        cells: What stands for missing cells, as in `arrays`.
        size: Size to which images were resized, as in `arrays`.
        unscaled: Modalities whose numbers are not standardised.
    """

    train: str = ""
    val: str = ""
    test: str = ""
    val_share: float = 0.2
    absent: dict[str, float] | None = None
    cells: Cells = "refuse"
    size: str | None = field(default=None, metadata={"path": False})
    unscaled: list[str] | None = None

    shows_inputs: ClassVar[bool] = True

    @property
    def absent_values(self) -> dict[str, float]:
        """Number that stands for an absent block, by modality."""
        return self.absent or {}

    @property
    def image_size(self) -> str | None:
        """Size to which images were resized."""
        return self.size

    @property
    def left_unscaled(self) -> tuple[str, ...]:
        """Modalities whose numbers are not standardised."""
        return tuple(self.unscaled or ())

    def _dense(self, seed: int) -> Splits | None:
        """Return the splits of images or volumes with a class for every pixel or voxel."""
        from dmrnet.data.files.rules import FileRules
        from dmrnet.data.python.items import LazyDataset
        from dmrnet.data.volumes.own import own_splits

        if not self.train:
            raise ValueError("data given are of Python: call dmrnet.fit with a MultimodalDataset")
        train, val, test = self._samples()
        for name in getattr(train, "nowhere", ()):
            raise ValueError(
                f"{train.path}: modality {name} is None in every row, so nothing can be learnt of "
                "it; leave it out"
            )
        axes = train.label_axes if train.target in ("auto", "classes") else 0
        if not axes:
            return None
        refused = {
            "rows": self.rows is not None,
            "missing": bool(self.missing),
            "weights": getattr(train, "weights", None) is not None,
        }
        for name in (name for name, is_given in refused.items() if is_given):
            raise ValueError(f"{name} is not for data with a class for every pixel or voxel")
        if axes == 2 and isinstance(train, LazyDataset):
            from dmrnet.data.python.item_images import image_splits

            return image_splits(self.images, train, val, test, seed)
        if axes == 2:
            return self.images.load_from(train.path, train, val, test, seed)
        named = self if self.classes or not train.labels else replace(self, classes=train.labels)
        rules = FileRules(absent=self.absent_values, cells=self.cells)
        share, unscaled = self.val_share, self.left_unscaled
        return own_splits(train.path, named, train, val, test, seed, share, rules, unscaled)

    def _samples(self) -> list[Any]:
        """Return the samples of training, validation and testing, of one class, or None."""
        from dmrnet.data.python.key import given

        return [given(key) if key else None for key in (self.train, self.val, self.test)]

    @property
    def images(self) -> Images:
        """Settings that read images with a class for every pixel."""
        from dmrnet.data.python.key import given
        from dmrnet.data.sets.images import Images, pixel_cells

        try:
            classes = given(self.train).labels
        except FileNotFoundError:
            classes = None
        return Images(
            "",
            val_share=self.val_share,
            absent=self.absent,
            unscaled=self.unscaled,
            classes=classes or self.classes,
            labels=self.labels,
            ignore=self.ignore,
            weights=self.weights,
            cells=pixel_cells(self.cells),
        )

    def whole(self, seed: int) -> Splits:
        """Return the splits with the numbers as given; the seed draws validation rows."""
        from dmrnet.data.files.arrays.features import check_features
        from dmrnet.data.files.rules import FileRules
        from dmrnet.data.files.training_files import read_splits
        from dmrnet.data.python.items import LazyDataset
        from dmrnet.data.python.lazy_splits import lazy_splits

        if (dense := self._dense(seed)) is not None:
            # They are standardised when they are read.
            return dense
        train, val, test = self._samples()
        if isinstance(train, LazyDataset):
            share, unscaled = self.val_share, self.left_unscaled
            return lazy_splits(train, val, test, seed, share, self.cells, unscaled)
        for part in (val, test):
            if part is not None:
                check_features(part.path, part.features, train.features)
        rules = FileRules(
            train.kinds,
            absent=self.absent_values,
            cells=self.cells,
            target=train.target,
            labels=train.labels,
        )
        splits = read_splits(train, val, test, seed, self.val_share, rules)
        return replace(splits, name=train.path, features=train.features)

    def load(self, seed: int) -> Splits:
        """Return the splits, standardised by the present training rows."""
        dense = self._dense(seed)
        return super().load(seed) if dense is None else dense

    @property
    def kinds(self) -> dict[str, str] | None:
        """Layouts that the training samples state; None where they are not here any more."""
        from dmrnet.data.python.key import given

        try:
            return given(self.train).kinds
        except FileNotFoundError:
            return None
