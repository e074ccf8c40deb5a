"""The systems of the paper's tables. A new one is a file, and a line in `METHODS`.

Importing this list imports no torch; `method` loads the one that is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dmrnet.hints import nearest

if TYPE_CHECKING:
    from dmrnet.methods.base import Method
    from dmrnet.methods.settings import MethodSettings
    from dmrnet.modalities import Task

METHODS: dict[str, str] = {
    "sf-md": "dmrnet.methods.sf_md:SFMDSettings",
    "head-only": "dmrnet.methods.head_only:HeadOnlySettings",
    "dmr": "dmrnet.methods.dmr:DMRSettings",
    "pe": "dmrnet.methods.pe:PESettings",
    "pcme": "dmrnet.methods.pcme:PCMESettings",
    "dmrnet": "dmrnet.methods.dmrnet:DMRNetSettings",
    "full": "dmrnet.methods.full:FullSettings",
    "unimodal": "dmrnet.methods.unimodal:UnimodalSettings",
    "hemis": "dmrnet.methods.hemis:HeMISSettings",
    "ogm-md": "dmrnet.methods.ogm_md:OGMMDSettings",
    "lcr": "dmrnet.methods.lcr:LCRSettings",
    "shaspec": "dmrnet.methods.shaspec:ShaSpecSettings",
    "rfnet": "dmrnet.methods.rfnet:RFNetSettings",
    "mmformer": "dmrnet.methods.mmformer:MMFormerSettings",
    "mmanet": "dmrnet.methods.mmanet:MMANetSettings",
    "esanet-md": "dmrnet.methods.esanet_md:ESANetMDSettings",
    "mutual": "dmrnet.methods.mutual:MutualSettings",
}
"""Where the settings of each method stand."""


def method(name: str) -> type[MethodSettings]:
    """Return the settings class of a method; its `recipe` and `build` make the model.

    Raises:
        ValueError: If there is no method of that name.
    """
    if name not in METHODS:
        raise ValueError(f"unknown method {name!r}; {nearest(name, METHODS)}")
    module, _, attribute = METHODS[name].partition(":")
    settings: type[MethodSettings] = getattr(import_module(module), attribute)
    return settings


def build_method(name: str, task: Task, recipe: str = "best", **changes: Any) -> Method:  # noqa: ANN401
    """Return a method for a task: the settings of its recipe, with some of them changed.

    Args:
        name: One of `METHODS`.
        task: Modalities and classes.
        recipe: ``best`` (what measured best here) or ``paper`` (as printed).
        changes: Settings to change, by name.

    Raises:
        ValueError: If the method, the recipe or a setting is unknown, or does not fit the task.
    """
    return method(name).recipe(recipe, **changes).build(task)
