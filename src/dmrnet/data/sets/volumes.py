"""volumes: the user's own volumes with a class for every voxel, in ``.npz`` files.

`dmrnet.data.volumes` reads the files; importing this module loads neither that nor torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from dmrnet.data.sets.base import OwnFiles
from dmrnet.data.volumes.options import OwnVolumes

if TYPE_CHECKING:
    from dmrnet.data.dataset import Splits


@dataclass(frozen=True)
class Volumes(OwnVolumes, OwnFiles):
    """Settings of your own volumes with a class for every voxel, in files.

    A file has one array per modality, ``(n, C, D, H, W)``, ``(n, D, H, W, C)`` or ``(n, D, H, W)``,
    and ``y``, integers ``(n, D, H, W)``: the class of every voxel, and below 0 where it has none.
    The first class is the background. A row of NaN says that a volume lacks the modality; so does
    ``present``, bool ``(n, V)``. ``samples`` may name the volumes, ``groups`` what they belong to.
    Volumes of different sizes are read by `dmrnet.LazyDataset`.

    Attributes:
        cells: What stands for missing voxels, NaN in part of a volume: the mean of their channel in
            training, or zero.
    """

    cells: Literal["refuse", "mean", "zero"] = field(default="refuse", kw_only=True)

    metric: ClassVar[str] = "dice"
    shows_inputs: ClassVar[bool] = True

    def load(self, seed: int) -> Splits:
        """Return the splits: patches to train on, whole volumes to validate and test on."""
        from dmrnet.data.volumes.own import own_splits

        rules = replace(self.rules, cells=self.cells)
        return own_splits(
            "volumes",
            self,
            self.train,
            self.val,
            self.test,
            seed,
            self.val_share,
            rules,
            self.left_unscaled,
        )
