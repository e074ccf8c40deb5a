"""Hyperparameters that each method is tuned over, and their values.

For a fair comparison every method is tuned on validation over its own hyperparameters, with the
same network, sampler, schedule, epochs, selection and seeds. There are at most nine settings for
each method, the default among them. The ranges are ours: they surround the values of papers and
released code, and were not chosen by results.
"""

from __future__ import annotations

from itertools import product

Value = float | bool | str

SEARCH: dict[str, dict[str, tuple[Value, ...]]] = {
    "sf-md": {},
    "head-only": {},
    "dmr": {"alpha": (1e-4, 1e-3, 1e-2)},
    "pe": {"alpha": (1e-4, 1e-3, 1e-2)},
    "pcme": {"alpha": (1e-4, 1e-3, 1e-2)},
    "dmrnet": {"alpha": (1e-4, 1e-3, 1e-2), "beta": (0.3, 0.5, 0.7)},
    "full": {},
    "unimodal": {"combine": ("probabilities", "logits")},
    "separate": {},
    "hemis": {"spread": ("population", "sample")},
    "ogm-md": {"modulation": ("none", "ogm", "ogm-ge"), "modulation_alpha": (0.1, 0.3, 0.8)},
    "mmpareto-md": {"gamma": (1.0, 1.5, 2.0), "rescale": ("encoder", "tensor")},
    "lcr": {"own": (False, True), "correlation": (0.0, 0.01, 0.1)},
    "shaspec": {"align_weight": (0.1, 0.5, 1.0), "tell_weight": (0.02, 0.1)},
    "rfnet": {"region_weight": (0.1, 0.3, 1.0), "separate_weight": (0.1, 0.3, 1.0)},
    "mmformer": {"attention_dropout": (0.0, 0.1), "each_weight": (0.1, 0.3, 1.0)},
    "mmanet": {"margin_weight": (3.0, 10.0, 30.0), "weak_weight": (0.2, 0.5, 1.0)},
    "esanet-md": {},
    "simmlm": {"rank_weight": (0.03, 0.1, 0.3), "detach_fewer": (False, True)},
    "dgl": {"alpha": (1.0, 2.0, 4.0), "heads": ("own", "shared")},
    "experts": {"share": (0.0, 0.1, 0.3, 1.0), "encodes": ("mask", "present")},
    "transformer": {"layers": (1, 2, 4), "attention_dropout": (0.0, 0.1, 0.3)},
    "flex-moe": {"gate_weight": (0.001, 0.01, 0.1), "active": (1, 2, 4)},
    "mutual": {"mutual": (0.3, 1.0, 3.0), "temperature": (1.0, 2.0, 4.0)},
}
"""Values of settings (``--method.NAME``), by method."""

MOST = 9
"""Largest number of settings of a method."""


def search_settings(name: str) -> list[dict[str, Value]]:
    """Return the settings that a method is tuned over, as changes to its recipe.

    Raises:
        KeyError: If the method is unknown.

    >>> search_settings("hemis")
    [{'spread': 'population'}, {'spread': 'sample'}]
    """
    ranges = SEARCH[name]
    return [dict(zip(ranges, values, strict=True)) for values in product(*ranges.values())]
