"""brats: brain tumours in four MR scans, a class at each voxel. Menze et al., 2015; on request.

Prepared from the NIfTI files of the challenge, until 2021 or from 2023 on. Scored by the Dice
coefficient of the whole tumour (WT), the tumour core (TC) and the enhancing tumour (ET).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from dmrnet.data.sets.base import DataSettings
from dmrnet.data.volumes.options import OwnVolumes, VolumeOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dmrnet.data.brats.splits import Rows
    from dmrnet.data.dataset import Dataset, Splits
    from dmrnet.data.files.arrays.bad_rows import SkippedRow
    from dmrnet.data.files.arrays.numbers import Array
    from dmrnet.data.files.arrays.source import Source
    from dmrnet.data.inputs.standardise import Standardiser
    from dmrnet.modalities import Task


@dataclass(frozen=True)
class BraTS(VolumeOptions, DataSettings):
    """Settings of brats. Splits keep the visits of a patient together.

    Attributes:
        root: Folder with the prepared data; see `dmrnet data prepare brats`.
        year: Year of the challenge that the prepared data must be of; any by default.
        train_list: Text file that names the training cases, in the form of any public code. Without
            `test_list`, all others are tested on.
        val_list: Text file that names the validation cases; by default a share is held out.
        test_list: Text file that names the test cases. Without `train_list`, all others are trained
            on.
        test_share: Share of the cases for testing, where no list says which and there are no folds.
        val_share: Share of the other cases for validation.
        folds: Number of folds, of which one is tested on.
        fold: Fold that is tested on, from 0.
        split_seed: Seed of what is held out; the run's seed by default.
    """

    root: str
    year: int | None = None
    train_list: str | None = None
    val_list: str | None = None
    test_list: str | None = None
    test_share: float = 0.2
    val_share: float = 0.1
    folds: int | None = None
    fold: int = 0
    split_seed: int | None = None
    patch: list[int] | None = field(default_factory=lambda: [80], kw_only=True)

    metric: ClassVar[str] = "dice"

    def load(self, seed: int) -> Splits:
        """Return the splits; cases are read when they are taken, and of them what is needed."""
        from dmrnet.data.brats.names import VERSION
        from dmrnet.data.brats.prepared import PreparedCases, frame_of
        from dmrnet.data.files.cache import read_cache, skipped_note
        from dmrnet.data.volumes.rows import VolumeRows
        from dmrnet.data.volumes.splits import volume_splits

        arrays, provenance = read_cache("brats", self.root, VERSION)
        year = int(arrays["year"])
        if self.year is not None and self.year != year:
            raise ValueError(
                f"brats: expected the prepared cases to be of {self.year}, those in {self.root} "
                f"are {f'of {year}' if year else 'of no year that their names say'}"
            )
        split_seed = seed if self.split_seed is None else self.split_seed
        rows, how = self._rows(arrays, split_seed)
        patients: list[str] = arrays["patient"].tolist()
        people = [{patients[row] for row in part.tolist()} for part in rows]
        both = people[0] & people[2] | people[1] & people[2]
        unlabelled = int((~arrays["labelled"]).sum())
        notes = (
            f"BraTS{f' of {year}' if year else ''}: {len(rows.train)} train, {len(rows.val)} val, "
            f"{len(rows.test)} test cases of {len(people[0])}, {len(people[1])} and "
            f"{len(people[2])} patients; {how}",
            *([f"{len(both)} patients of test are also in train or val"] if both else []),
            *([f"{unlabelled} cases without labels are left out"] if unlabelled else []),
            *skipped_note(provenance),
        )
        cases = PreparedCases(arrays)
        index = cases.index(provenance.content)
        splits = volume_splits(
            "brats",
            self.volumes,
            {role: (cases, index, part) for role, part in rows._asdict().items()},
            seed=seed,
            standardiser=None,
            notes=notes,
        )
        for part in (splits.val, splits.test):
            assert isinstance(part, VolumeRows)
            part.frame = partial(frame_of, cases, part.rows)
        return splits

    @property
    def volumes(self) -> OwnVolumes:
        """Settings of volumes: classes, regions and distances are those of the challenge."""
        from dmrnet.data.brats.names import CLASSES, EMPTY_DISTANCE, REGIONS, SPACING

        own = {one.name: getattr(self, one.name) for one in fields(VolumeOptions)}
        return OwnVolumes(
            **own,
            classes=list(CLASSES),
            regions=REGIONS,
            spacing=list(SPACING),
            empty_distance=EMPTY_DISTANCE,
        )

    def open(self, path: str) -> Source:
        """Return a folder of further cases."""
        from dmrnet.data.brats.prepared import CaseFolder

        return CaseFolder(path)

    def read(
        self,
        path: str | Source,
        task: Task,
        standardiser: Standardiser | None,
        columns: Sequence[str] | None = None,
        need_target: bool = True,
    ) -> Dataset:
        """Read further cases: a folder of NIfTI files in the layout of any year, or prepared data.

        A modality without a file is absent.

        Raises:
            FileNotFoundError: If there is no such folder, or no case in it.
            ValueError: If a case cannot be used, or labels are needed and missing.
        """
        import torch

        from dmrnet.data.brats.names import VERSION
        from dmrnet.data.brats.prepared import CaseFolder, NiftiCases, PreparedCases, frame_of
        from dmrnet.data.files.cache import cache_paths, read_cache
        from dmrnet.data.volumes.rows import VolumeRows

        source = CaseFolder(path) if isinstance(path, str) else path
        path = source.path
        if not isinstance(source, CaseFolder) or Path(path).is_file():
            raise ValueError(f"{path}: expected a folder of cases of BraTS, or of prepared data")
        cases: PreparedCases | NiftiCases
        skipped: tuple[SkippedRow, ...] = ()
        if cache_paths("brats", Path(path))[0].exists():
            arrays, provenance = read_cache("brats", path, VERSION)
            cases = PreparedCases(arrays)
            index, rows = cases.index(provenance.content), torch.arange(len(cases))
            if need_target:
                rows = torch.from_numpy(arrays["labelled"]).nonzero().flatten()
                if not len(rows):
                    raise ValueError(f"{path}: none of {len(cases)} cases has labels")
        else:
            cases = NiftiCases(path, need_target, source.bad_rows == "skip")
            index, rows, skipped = (
                cases.index(cases.content),
                torch.arange(len(cases)),
                cases.skipped,
            )
        volumes = VolumeRows(
            task,
            cases,
            index.of(rows),
            rows,
            self.volumes,
            frame=partial(frame_of, cases, rows),
            path=path,
        )
        volumes.leave_out(skipped)
        return volumes

    def _rows(self, arrays: dict[str, Array], seed: int) -> tuple[Rows, str]:
        """Return the rows of each split, and how they were chosen."""
        import torch

        from dmrnet.data.brats.splits import Rows, folded, held_out, listed

        names, patients, grades = (arrays[key].tolist() for key in ("name", "patient", "grade"))
        rows = torch.from_numpy(arrays["labelled"]).nonzero().flatten()
        if not len(rows):
            raise ValueError(f"brats: none of {len(names)} cases in {self.root} has labels")
        lists = {name: getattr(self, name) for name in ("train_list", "val_list", "test_list")}
        given = {name: path for name, path in lists.items() if path is not None}
        if given and self.folds is not None:
            raise ValueError("brats: expected lists or folds, got both")
        val = None
        if given:
            rest, val, test = listed(given, names, rows, arrays["left_out"].tolist())
            how = f"by {' and '.join(given)}"
        elif self.folds is not None:
            rest, test = folded(rows, patients, grades, self.fold, self.folds, seed)
            how = f"fold {self.fold} of {self.folds}, dealt by patient with seed {seed}"
        else:
            rest, test = held_out(rows, patients, grades, self.test_share, seed, "test_share")
            how = f"drawn by patient with seed {seed}"
        if val is not None:
            return Rows(rest, val, test), how
        train, val = held_out(rest, patients, grades, self.val_share, seed, "val_share")
        return Rows(train, val, test), f"{how}, validation too"
