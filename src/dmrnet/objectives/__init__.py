"""The terms of the loss, one file each, and their sum (Eq. 13)."""

from dmrnet.objectives.distribution import Distribution, Reduction, kl_standard_normal
from dmrnet.objectives.hard_combinations import HardCombinations
from dmrnet.objectives.mining import Among, CombinationMeans, Criterion, Miner, top_combinations
from dmrnet.objectives.mutual import Mutual
from dmrnet.objectives.task import VOID, add_scales, cross_entropy, pixel_cross_entropy
from dmrnet.objectives.term import Step, TaskLoss, TaskTerm, Term, TotalLoss, View

__all__ = [
    "VOID",
    "Among",
    "CombinationMeans",
    "Criterion",
    "Distribution",
    "HardCombinations",
    "Miner",
    "Mutual",
    "Reduction",
    "Step",
    "TaskLoss",
    "TaskTerm",
    "Term",
    "TotalLoss",
    "View",
    "add_scales",
    "cross_entropy",
    "kl_standard_normal",
    "pixel_cross_entropy",
    "top_combinations",
]
