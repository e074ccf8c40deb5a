"""Methods: the systems of the paper's tables, newer ones, our own, and the base class of all.

Each system has a file of settings, which build it, and may have a subclass of `Method` in
`dmrnet.methods.modules`. A new one needs a line in the list below. Importing this package does not
import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dmrnet.lazy import lazy_names
from dmrnet.registry import Registry

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.methods.default import default_method
    from dmrnet.methods.function import Build
    from dmrnet.methods.hooks import Needs, TrainingHooks
    from dmrnet.methods.settings import MethodSettings
    from dmrnet.modalities import Task

__all__ = [
    "METHODS",
    "Method",
    "MethodSettings",
    "Needs",
    "TrainingHooks",
    "build_method",
    "default_method",
    "method",
    "methods_without_classes",
]

_HOME = {
    "Method": "dmrnet.methods.base",
    "MethodSettings": "dmrnet.methods.settings",
    "Needs": "dmrnet.methods.hooks",
    "default_method": "dmrnet.methods.default",
    "TrainingHooks": "dmrnet.methods.hooks",
}

__getattr__, __dir__ = lazy_names(__name__, _HOME)

_BUILT_IN = {
    "sf-md": "dmrnet.methods.sf_md:SFMDSettings",
    "head-only": "dmrnet.methods.head_only:HeadOnlySettings",
    "dmr": "dmrnet.methods.dmr:DMRSettings",
    "pe": "dmrnet.methods.pe:PESettings",
    "pcme": "dmrnet.methods.pcme:PCMESettings",
    "dmrnet": "dmrnet.methods.dmrnet:DMRNetSettings",
    "full": "dmrnet.methods.full:FullSettings",
    "unimodal": "dmrnet.methods.unimodal:UnimodalSettings",
    "separate": "dmrnet.methods.separate:SeparateSettings",
    "hemis": "dmrnet.methods.hemis:HeMISSettings",
    "ogm-md": "dmrnet.methods.ogm_md:OGMMDSettings",
    "mmpareto-md": "dmrnet.methods.mmpareto_md:MMParetoMDSettings",
    "lcr": "dmrnet.methods.lcr:LCRSettings",
    "shaspec": "dmrnet.methods.shaspec:ShaSpecSettings",
    "rfnet": "dmrnet.methods.rfnet:RFNetSettings",
    "mmformer": "dmrnet.methods.mmformer:MMFormerSettings",
    "mmanet": "dmrnet.methods.mmanet:MMANetSettings",
    "esanet-md": "dmrnet.methods.esanet_md:ESANetMDSettings",
    "simmlm": "dmrnet.methods.simmlm:SimMLMSettings",
    "dgl": "dmrnet.methods.dgl:DGLSettings",
    "transformer": "dmrnet.methods.transformer:TransformerSettings",
    "flex-moe": "dmrnet.methods.flex_moe:FlexMoESettings",
    "mutual": "dmrnet.methods.mutual:MutualSettings",
    "experts": "dmrnet.methods.experts:ExpertsSettings",
}

METHODS: Registry[type[MethodSettings] | Build] = Registry("method", "dmrnet.methods", _BUILT_IN)
"""Settings class of each method, or the function that builds it; of this package and others."""


def method(name: str) -> type[MethodSettings]:
    """Return the settings class of a method, which has its recipes and builds it.

    A method that a function builds has a class without settings of its own. ``auto`` is the method
    that the task decides (`dmrnet.methods.default`).

    Raises:
        ValueError: If there is no method of that name.
    """
    if name == "auto":
        from dmrnet.methods.default import DefaultSettings

        return DefaultSettings
    item = METHODS.load(name)
    if isinstance(item, type):
        return item
    from dmrnet.methods.function import settings_of_function

    return settings_of_function(name, item)


def methods_without_classes() -> list[str]:
    """Return the names of the methods that can also predict numbers, labels or ordered classes."""
    return [name for name in METHODS if not method(name).needs_classes]


def build_method(name: str, task: Task, recipe: str = "best", **changes: Any) -> Method:  # noqa: ANN401
    """Return a method for a task, built from a recipe with some settings changed.

    Args:
        name: Name of the method, one of `METHODS`.
        task: Modalities and classes.
        recipe: Name of the recipe, such as ``best`` (best results here) or ``paper`` (as printed).
        changes: New values of settings, by name.

    Raises:
        ValueError: If the method, the recipe or a setting is unknown, or does not fit the task.
    """
    return method(name).recipe(recipe, **changes).build(task)
