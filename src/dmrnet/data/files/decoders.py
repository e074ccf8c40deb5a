"""Files of one modality of one sample, decoded as those of the training were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dmrnet.data.files.arrays.numbers import Array


@dataclass(frozen=True)
class Decoder:
    """Decoder of files that hold one modality of one sample.

    Attributes:
        suffixes: Ends of the names of such files, such as ``.wav``.
        decode: Function from the content of a file to an array of one sample in the units of
            training, or None for a file of another kind. It raises `ValueError` for a file that is
            damaged, or larger than single samples are.
    """

    suffixes: tuple[str, ...]
    decode: Callable[[bytes], Array | None]
