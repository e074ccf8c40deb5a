"""arrays: the user's own data, ``.npz`` files with one array a modality and ``y``.

Reading is in `dmrnet.data.files.npz`, shapes in `dmrnet.data.files.layout`; importing this file
loads neither them nor torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmrnet.data.dataset import ArrayDataset, Splits
    from dmrnet.data.standardise import Standardiser
    from dmrnet.modalities import Task


@dataclass(frozen=True)
class Arrays:
    """Settings of a data set in files.

    A file has one array ``(n, ...)`` a modality and the labels ``y``, integers or text. A row of
    NaN says that the sample lacks the modality; so does ``present``, bool ``(n, V)``, whose columns
    follow the order of the arrays in the training file. ``samples`` may name the rows.

    Attributes:
        train: File to train on.
        val: File to validate on; without one a share of the training rows is held out.
        test: File to test on.
        val_share: Share of the training rows that is held out where there is no `val`.
        modalities: Which arrays to use, in this order; all of the training file's otherwise.
        kinds: How to read an array where its shape is not enough, e.g. `{"eeg": "sequence"}`:
            vector, sequence, image or volume, channels first, or with `-last` channels last.
    """

    train: str
    val: str | None = None
    test: str | None = None
    val_share: float = 0.2
    modalities: list[str] | None = None
    kinds: dict[str, str] | None = None

    def load(self, seed: int) -> Splits:
        """Return the splits, standardised by the training rows that are present.

        Args:
            seed: Of the run; it draws the rows held out for validation.

        Raises:
            FileNotFoundError: If a file is not there.
            ValueError: If a file or a setting is not as it should be; it says which and where.
        """
        from dmrnet.data.dataset import standardised

        return standardised(self.raw(seed))

    def raw(self, seed: int) -> Splits:
        """Return the splits with the numbers of the files, as float32 where that is fine enough."""
        from dmrnet.data.files.reading import splits

        return splits(self, seed)


def read_split(
    path: str,
    task: Task,
    standardiser: Standardiser | None,
    kinds: Mapping[str, str] | None = None,
    columns: Sequence[str] | None = None,
    need_target: bool = True,
) -> ArrayDataset:
    """Read one more file as a finished training read its own.

    Args:
        path: The ``.npz`` file.
        task: The modalities and classes of the training.
        standardiser: That of the training; None leaves the numbers as they are, but in float32.
        kinds: As in the settings of the training.
        columns: Every array of the training file in its order (`Splits.columns`); None: those of
            the task. Arrays that are not among them are refused.
        need_target: False where the file may come without ``y``; targets are then -1.

    Returns:
        The data set; its `samples` are the names of the rows, if the file has any, its `notes` say
        what the file lacks.

    Raises:
        FileNotFoundError: If the file is not there.
        ValueError: If the file is not as it should be; it says what and where.
    """
    from dmrnet.data.files.reading import another_split

    fine = frozenset() if standardiser is None else standardiser.fine
    known = columns or task.modalities
    dataset = another_split(path, task, kinds or {}, known, need_target, fine)
    if standardiser is not None:
        dataset.standardise(standardiser)
    return dataset
