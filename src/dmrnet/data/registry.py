"""The list of data sets. A new data set has a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmrnet.registry import Registry

if TYPE_CHECKING:
    from dmrnet.data.sets.base import DataSettings

_BUILT_IN = {
    "arrays": "dmrnet.data.sets.arrays:Arrays",
    "brats": "dmrnet.data.sets.published.brats:BraTS",
    "cancer": "dmrnet.data.sets.embedded.cancer:Cancer",
    "casia-surf": "dmrnet.data.sets.published.casia_surf:CasiaSurf",
    "crema-d": "dmrnet.data.sets.published.crema_d:CremaD",
    "cwfid": "dmrnet.data.sets.published.cwfid:CWFID",
    "digits": "dmrnet.data.sets.published.digits:Digits",
    "given": "dmrnet.data.sets.given:Given",
    "images": "dmrnet.data.sets.images:Images",
    "ionosphere": "dmrnet.data.sets.embedded.ionosphere:Ionosphere",
    "kinetics-sounds": "dmrnet.data.sets.published.kinetics_sounds:KineticsSounds",
    "landsat": "dmrnet.data.sets.embedded.landsat:Landsat",
    "libras": "dmrnet.data.sets.embedded.libras:Libras",
    "mfeat": "dmrnet.data.sets.embedded.mfeat:Mfeat",
    "nyuv2": "dmrnet.data.sets.published.nyuv2:NYUv2",
    "pendigits": "dmrnet.data.sets.embedded.pendigits:Pendigits",
    "quadrants": "dmrnet.data.sets.embedded.quadrants:Quadrants",
    "segment": "dmrnet.data.sets.embedded.segment:Segment",
    "spambase": "dmrnet.data.sets.embedded.spambase:Spambase",
    "table": "dmrnet.data.sets.table:TableRows",
    "volumes": "dmrnet.data.sets.volumes:Volumes",
    "watch": "dmrnet.data.sets.published.watch:Watch",
}

DATASETS: Registry[type[DataSettings]] = Registry("data set", "dmrnet.datasets", _BUILT_IN)
"""Settings class of every data set, of this package and others."""


def data_class(name: str) -> type[DataSettings]:
    """Return the settings class of a data set; `load(seed)` of its settings returns the splits.

    Importing the class does not import torch, so that a command line can read its fields quickly;
    loading does.

    Args:
        name: A key of `DATASETS`.

    Raises:
        ValueError: If there is no data set of that name.

    >>> data_class("mfeat").__name__
    'Mfeat'
    """
    return DATASETS.load(name)
