"""The terms of the loss, one file each, their sum (Eq. 13), and statistics by combination."""

from dmrnet.objectives.distribution import Distribution, Reduction, kl_standard_normal
from dmrnet.objectives.hard_combinations import HardCombinations
from dmrnet.objectives.mining import Among, Criterion, Miner, top_combinations
from dmrnet.objectives.mutual import Mutual
from dmrnet.objectives.statistics import (
    Add,
    CombinationStatistics,
    CombinationSums,
    EpochStatistics,
    Totals,
)
from dmrnet.objectives.task import VOID, add_scales, cross_entropy, pixel_cross_entropy
from dmrnet.objectives.term import ForwardPass, Step, TaskTerm, Term, TotalLoss
from dmrnet.targets import TaskLoss

__all__ = [
    "VOID",
    "Add",
    "Among",
    "CombinationStatistics",
    "CombinationSums",
    "Criterion",
    "Distribution",
    "EpochStatistics",
    "ForwardPass",
    "HardCombinations",
    "Miner",
    "Mutual",
    "Reduction",
    "Step",
    "TaskLoss",
    "TaskTerm",
    "Term",
    "TotalLoss",
    "Totals",
    "add_scales",
    "cross_entropy",
    "kl_standard_normal",
    "pixel_cross_entropy",
    "top_combinations",
]
