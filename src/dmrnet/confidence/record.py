"""Confidence of a run: fitted on validation, stored with the run, applied to predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dmrnet.confidence.advice import Gains, advise, gains_of
from dmrnet.confidence.conformal import conformal_scores, conformal_sets, conformal_threshold
from dmrnet.confidence.temperature import (
    cross_fitted,
    fit_temperatures,
    temper,
    worth_tempering,
)
from dmrnet.modalities import index_of


@dataclass(frozen=True)
class Confidence:
    """Temperatures, conformal scores and gains of every combination, from validation samples.

    Attributes:
        combinations: bool ``(K, V)``.
        temperature: float64 ``(K,)``; see `fit_temperatures`. 1 where it does not help samples that
            it was not fitted on; see `worth_tempering`.
        scores: float32 ``(K, n)``, conformal scores of n validation samples, NaN where a sample
            lacks a modality; at temperatures that were fitted on other samples.
        gain: float64 ``(K, M, V)``; see `Gains`.
        gain_error: float64 ``(K, M, V)``.
    """

    combinations: Tensor
    temperature: Tensor
    scores: Tensor
    gain: Tensor
    gain_error: Tensor

    @classmethod
    def fit(
        cls, probabilities: Tensor, target: Tensor, scored: Tensor, combinations: Tensor
    ) -> Confidence:
        """Fit on validation samples.

        Args:
            probabilities: float ``(K, n, M)``, of every combination.
            target: int64 ``(n,)``.
            scored: bool ``(K, n)``, True where the sample has the combination's modalities.
            combinations: bool ``(K, V)``.
        """
        honest = cross_fitted(probabilities, target, scored, combinations)
        helps = worth_tempering(probabilities, honest, target, scored, combinations)
        fitted = fit_temperatures(probabilities, target, scored, combinations)
        honest = torch.where(helps[:, None, None], honest, probabilities.double())
        gains = gains_of(
            probabilities.argmax(-1), target, scored, combinations, probabilities.shape[-1]
        )
        return cls(
            combinations,
            torch.where(helps, fitted, 1.0),
            conformal_scores(honest, target, scored).float(),
            gains.gain,
            gains.error,
        )

    def rows(self, seen: Tensor) -> Tensor:
        """Return the row of each sample's combination, int64 ``(n,)``; -1 if it was not scored.

        Args:
            seen: bool ``(n, V)``, the modalities that each sample is predicted from.
        """
        known, order = index_of(self.combinations).sort()
        wanted = index_of(seen)
        place = torch.searchsorted(known, wanted).clamp_max(len(known) - 1)
        return torch.where(known[place] == wanted, order[place], -1)

    def calibrate(self, probabilities: Tensor, seen: Tensor) -> Tensor:
        """Return calibrated probabilities, of the type and shape of those given.

        A combination that was not scored has the mean temperature of those of its size.

        Args:
            probabilities: float ``(n, M)``.
            seen: bool ``(n, V)``.
        """
        row, of_size = self.rows(seen), self.temperature_of_sizes()[seen.sum(1)]
        return temper(probabilities, torch.where(row >= 0, self.temperature[row], of_size))

    def temperature_of_sizes(self) -> Tensor:
        """Return the mean temperature of the combinations of 0 to V modalities; 1 without any."""
        size = self.combinations.sum(1)
        sizes = range(self.combinations.shape[1] + 1)
        means = torch.stack([self.temperature[size == number].mean() for number in sizes])
        return means.nan_to_num(1.0)

    def sets(self, probabilities: Tensor, seen: Tensor, level: float) -> Tensor:
        """Return sets of classes that hold the true one at a level, bool ``(n, M)``.

        Args:
            probabilities: float ``(n, M)``, calibrated.
            seen: bool ``(n, V)``.
            level: Rate at which sets are to hold the true class, between 0 and 1.
        """
        row = self.rows(seen)
        threshold = conformal_threshold(self.scores, level)[row].masked_fill(row < 0, torch.inf)
        return conformal_sets(probabilities, threshold)

    def advise(self, probabilities: Tensor, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the missing modality that lowers the expected error of each sample most.

        Args:
            probabilities: float ``(n, M)``.
            seen: bool ``(n, V)``.

        Returns:
            int64 ``(n,)``, the modality, -1 without enough validation samples; by how much the
            error falls, and the standard error of that, float64 ``(n,)``.
        """
        row = self.rows(seen)
        gains = Gains(self.gain, self.gain_error)
        which, gain, error = advise(gains, row.clamp_min(0), probabilities.argmax(-1))
        unknown = row < 0
        return (
            which.masked_fill(unknown, -1),
            gain.masked_fill(unknown, torch.nan),
            error.masked_fill(unknown, torch.nan),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the fields as arrays."""
        return {field.name: getattr(self, field.name).numpy() for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], where: str) -> Confidence:
        """Return what `arrays` returned.

        Raises:
            ValueError: If an array is missing or its shape does not fit the others.
        """
        again = "train again into another folder (out, --out)"
        mend = f"delete the file to predict uncalibrated, or {again}"
        missing = [field.name for field in fields(cls) if field.name not in arrays]
        if missing:
            raise ValueError(f"{where}: expected {', '.join(missing)}, got none; {mend}")
        read = {f.name: torch.from_numpy(np.ascontiguousarray(arrays[f.name])) for f in fields(cls)}
        number, modalities = read["combinations"].shape
        shapes = {
            "temperature": (number,),
            "scores": (number, read["scores"].shape[-1]),
            "gain": (number, read["gain"].shape[1], modalities),
            "gain_error": tuple(read["gain"].shape),
        }
        for name, shape in shapes.items():
            if tuple(read[name].shape) != shape:
                raise ValueError(
                    f"{where}: expected {name} of shape {shape}, got {tuple(read[name].shape)}; "
                    f"{mend}"
                )
        if not bool((read["temperature"] > 0).all()):
            raise ValueError(f"{where}: expected temperatures above 0; {mend}")
        return cls(**read)
