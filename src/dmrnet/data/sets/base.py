"""Base classes of the settings of data sets: what a data set may offer. Imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from dmrnet.data.volumes.options import OwnVolumes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dmrnet.data.dataset import Dataset, Splits
    from dmrnet.data.files.arrays.source import Source
    from dmrnet.data.files.decoders import Decoder
    from dmrnet.data.files.rules import FileRules
    from dmrnet.data.inputs.standardise import Standardiser
    from dmrnet.data.sets.images import Images
    from dmrnet.modalities import Task


@dataclass(frozen=True)
class DataSettings(ABC):
    """Base class of the settings of a data set.

    A data set is a frozen dataclass that inherits from this class and has `load`. Its fields, with
    their defaults and their lines under ``Attributes``, are the flags ``--data.*``. Everything else
    here has a default. Its module imports torch inside functions only, so that help is quick.
    """

    metric: ClassVar[str] = "accuracy"
    """Metric that selects epochs and is reported first: accuracy, miou or acer."""

    bona_fide: ClassVar[int] = 1
    """Class that is no attack, for ACER."""

    shows_inputs: ClassVar[bool] = False
    """Whether the licence lets a report show samples of the data set."""

    @abstractmethod
    def load(self, seed: int) -> Splits:
        """Return the splits of a run, ready for training.

        Args:
            seed: Seed of the run.

        Raises:
            FileNotFoundError: If files are missing; the message says how to make them.
            ValueError: If a file or a setting is wrong; the message says which and where.
        """

    def raw(self, seed: int) -> Splits:
        """Return the splits to export, before standardising if the data set supports it."""
        return self.load(seed)

    @property
    def threshold(self) -> Literal["half", "eer", "min-acer"]:
        """Rule that sets the threshold of ACER: half, or on validation for each combination."""
        return "half"

    @property
    def kinds(self) -> dict[str, str] | None:
        """Layouts of arrays in the user's own files, by modality."""
        return None

    @property
    def groups(self) -> str | None:
        """Array in the user's own files that holds the group of each row."""
        return None

    @property
    def absent_values(self) -> dict[str, float]:
        """Number that stands for an absent block in the user's own files, by modality."""
        return {}

    @property
    def image_size(self) -> str | None:
        """Size to which images of the user's own files are resized."""
        return None

    @property
    def padding_values(self) -> dict[str, float] | None:
        """Number that steps after the end of a sequence hold in the user's files, by modality."""
        return None

    @property
    def left_unscaled(self) -> tuple[str, ...]:
        """Modalities whose numbers are not standardised."""
        return ()

    @property
    def rules(self) -> FileRules:
        """Rules by which the user's own files are read."""
        from dmrnet.data.files.rules import FileRules

        return FileRules(
            self.kinds or {},
            self.groups,
            self.absent_values,
            self.image_size,
            self.padding_values or {},
        )

    @property
    def holes(self) -> tuple[str, ...]:
        """Modalities of images in which 0 is a hole that stays 0 after standardising."""
        return ()

    @property
    def images(self) -> Images | None:
        """Settings that read images with a class for every pixel; None if there are none."""
        return None

    def label_numbers(self, task: Task) -> tuple[int, ...]:
        """Return the number in labels of pixels of each class."""
        own = self.images
        return tuple(range(len(task.classes))) if own is None else own.label_numbers(task)

    @property
    def volumes(self) -> OwnVolumes:
        """Settings of volumes with a class for every voxel: patches, windows, labels."""
        return self if isinstance(self, OwnVolumes) else OwnVolumes()

    def files(self) -> dict[str, str]:
        """Return the paths of the user's own files by split; empty for other data sets."""
        return {}

    def open(self, path: str) -> str | Source:
        """Return the source of a further file; by default its path, of an ``.npz`` file."""
        return path

    def recalled(self, facts: Mapping[str, Any]) -> Self:
        """Return the settings completed from the facts that a finished run recorded."""
        return self

    def decoders(self) -> Mapping[str, Decoder]:
        """Return the decoder of a file with one sample, by modality; empty if training had none."""
        return {}

    def sources(self, sample: str) -> str | tuple[str, ...]:
        """Return the sources of a sample, such as files; a common one makes samples dependent.

        Args:
            sample: Name of the sample.

        Returns:
            One source; or one for each modality in order, if samples are assembled from files.
        """
        return sample

    def read(
        self,
        path: str | Source,
        task: Task,
        standardiser: Standardiser | None,
        columns: Sequence[str] | None = None,
        need_target: bool = True,
    ) -> Dataset:
        """Read a further file as the training file was read.

        Args:
            path: ``.npz`` file in the layout of `arrays`, or arrays in Python; a file of `images`
                where every pixel has a class.
            task: Task of the training.
            standardiser: Standardiser of the training.
            columns: `Splits.columns` of the training.
            need_target: Whether the file must have labels.

        Raises:
            FileNotFoundError: If the file does not exist.
            ValueError: If the file is wrong, or this data set cannot be tested on a file.
        """
        if task.dense:
            return self._read_dense(path, task, standardiser, need_target)
        from dmrnet.data.files.arrays.source import ArraySource
        from dmrnet.data.files.reading import read_further
        from dmrnet.data.python.items import LazyDataset
        from dmrnet.data.python.lazy_splits import every_row

        if isinstance(path, LazyDataset):
            path = path.where_absent(self.absent_values)
            return every_row(path, task, None, standardiser, need_target)
        assert isinstance(path, str | ArraySource)
        return read_further(path, task, standardiser, self.rules, columns, need_target)

    def _read_dense(
        self, path: str | Source, task: Task, standardiser: Standardiser | None, need_target: bool
    ) -> Dataset:
        """Read images or volumes with a class for every pixel or voxel."""
        if task.axes == 3:
            from dmrnet.data.volumes.own import read_volumes

            own, rules = self.volumes, self.rules
            return read_volumes(path, task, standardiser, own, need_target, rules)
        from dmrnet.data.files.arrays.source import ArraySource
        from dmrnet.data.python.items import LazyDataset

        images = self.images
        if isinstance(path, LazyDataset) and images is not None and standardiser is not None:
            from dmrnet.data.python.item_images import ItemImages

            lazy = ItemImages(path, images, task, standardiser, need_target)
            return lazy.whole(task, standardiser)
        if not isinstance(path, str | ArraySource):
            raise ValueError(
                f"{path.path}: expected a MultimodalDataset or a file, for a class for every pixel"
            )
        where = path if isinstance(path, str) else path.path
        if need_target and images is None:
            raise ValueError(
                f"{where}: the run gives every pixel a class, but files of arrays hold one class "
                "per sample; it is tested on its own data set alone. dmrnet predict makes label "
                "maps of a file's images"
            )
        if standardiser is None:
            raise ValueError(
                f"{where}: the data set does not say how its images are standardised; predict its "
                "own by their split (--split)"
            )
        from dmrnet.data.files.images import FileImages
        from dmrnet.data.sets.images import Images

        images = images or Images("", groups=self.groups, absent=self.absent_values)
        read = FileImages(path, images, task, standardiser, need_target)
        if need_target:
            return read.whole(task, standardiser)
        return read.unlabelled(task, standardiser, self.holes)


@dataclass(frozen=True)
class InMemory(DataSettings):
    """Base class of data sets in memory; a subclass defines `whole`, and `load` standardises.

    Attributes:
        rows: Number of training rows to keep, stratified by class; validation shrinks by the same
            share, the test set stays whole. All by default.
        missing: Probability that a modality is missing from a training or validation sample, at
            random; one always stays. The test set keeps all it has, so that every combination can
            be scored.
    """

    rows: int | None = field(default=None, kw_only=True)
    missing: float = field(default=0.0, kw_only=True)

    @abstractmethod
    def whole(self, seed: int) -> Splits:
        """Return the splits of a run with every row, and the numbers as published."""

    def raw(self, seed: int) -> Splits:
        """Return the splits of a run, limited to `rows` and without what is `missing`.

        Its numbers are as published.
        """
        splits = self.whole(seed)
        if self.rows is not None:
            from dmrnet.data.splits.limit import limited

            splits = limited(splits, self.rows, seed)
        if self.missing:
            from dmrnet.data.splits.missing import without_some

            splits = without_some(splits, self.missing, seed)
        return splits

    def load(self, seed: int) -> Splits:
        """Return the splits, standardised by the present training rows."""
        from dmrnet.data.checks.shift import with_shift_warnings
        from dmrnet.data.dataset import standardised

        return with_shift_warnings(standardised(self.raw(seed), self.left_unscaled))


@dataclass(frozen=True)
class OwnFiles(DataSettings):
    """Base class of data sets in the user's own files.

    Attributes:
        train: Training file.
        val: Validation file; without one, a share of the training samples is held out.
        test: Test file.
        val_share: Share of the training samples to hold out when there is no `val`.
        groups: Array with the group of each row, such as its patient: the share is held out in
            whole groups; by default the array `groups`, else `samples` if names repeat; none
            splits row by row.
        absent: Number that stands for an absent block by modality, e.g. `camera=0,radar=-999`: a
            sample lacks a modality that is this number throughout.
        unscaled: Modalities whose numbers are not standardised, such as token numbers, or images
            for an encoder that was trained on pixels of a known range.
    """

    shows_inputs: ClassVar[bool] = True

    train: str
    val: str | None = None
    test: str | None = None
    val_share: float = 0.2
    groups: str | None = field(default=None, metadata={"path": False})
    absent: dict[str, float] | None = field(default=None, kw_only=True)
    unscaled: list[str] | None = field(default=None, kw_only=True)

    @property
    def absent_values(self) -> dict[str, float]:
        """Number that stands for an absent block, by modality."""
        return self.absent or {}

    @property
    def left_unscaled(self) -> tuple[str, ...]:
        """Modalities whose numbers are not standardised."""
        return tuple(self.unscaled or ())

    def files(self) -> dict[str, str]:
        """Return the paths by split."""
        paths = {"train": self.train, "val": self.val, "test": self.test}
        return {split: path for split, path in paths.items() if path is not None}
