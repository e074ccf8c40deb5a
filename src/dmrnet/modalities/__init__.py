"""Names, combinations and masks of modalities, samplers of masks; precision. No ``torch.nn``."""

from dmrnet.modalities.batch import Batch, Inputs, Where, rows_of
from dmrnet.modalities.combinations import (
    all_combinations,
    count,
    from_index,
    index_of,
    name_of,
    parse,
    some_combinations,
)
from dmrnet.modalities.features import CachedFeatures
from dmrnet.modalities.names import check_names
from dmrnet.modalities.rows import spread_rows, take_rows
from dmrnet.modalities.samplers import (
    Bernoulli,
    Everything,
    MaskSampler,
    Stratified,
    Uniform,
    Warmup,
    build_sampler,
)
from dmrnet.modalities.steps import mark_steps
from dmrnet.modalities.task import TARGET_NAMES, Kind, Modality, TargetName, Task

__all__ = [
    "TARGET_NAMES",
    "Batch",
    "Bernoulli",
    "CachedFeatures",
    "Everything",
    "Inputs",
    "Kind",
    "MaskSampler",
    "Modality",
    "Stratified",
    "TargetName",
    "Task",
    "Uniform",
    "Warmup",
    "Where",
    "all_combinations",
    "build_sampler",
    "check_names",
    "count",
    "from_index",
    "index_of",
    "mark_steps",
    "name_of",
    "parse",
    "rows_of",
    "some_combinations",
    "spread_rows",
    "take_rows",
]
