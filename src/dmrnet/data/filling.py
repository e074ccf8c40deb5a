"""Choices for filling missing cells. Imports no torch."""

from __future__ import annotations

from typing import Literal

Cells = Literal[
    "refuse", "mean", "median", "zero", "mean+indicator", "median+indicator", "zero+indicator"
]
"""Replacement of missing cells: NaN in part of a modality that a sample has."""
