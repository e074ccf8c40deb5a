"""Confidence of predictions: calibration, conformal sets, selective prediction, advice."""

from dmrnet.confidence.advice import Gains, advise, gains_of
from dmrnet.confidence.conformal import conformal_scores, conformal_sets, conformal_threshold
from dmrnet.confidence.record import Confidence
from dmrnet.confidence.reliability import calibration_error, reliability
from dmrnet.confidence.selective import error_detection
from dmrnet.confidence.temperature import (
    cross_fitted,
    fit_temperatures,
    temper,
    worth_tempering,
)

__all__ = [
    "Confidence",
    "Gains",
    "advise",
    "calibration_error",
    "conformal_scores",
    "conformal_sets",
    "conformal_threshold",
    "cross_fitted",
    "error_detection",
    "fit_temperatures",
    "gains_of",
    "reliability",
    "temper",
    "worth_tempering",
]
