"""A run as a service over HTTP: any subset of modalities in, probabilities out.

Requests are predicted together as they come in, by the exported graph of the run. Needs the extra
``serve``. Names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmrnet.lazy import lazy_names

if TYPE_CHECKING:
    from dmrnet.serve.app import create_app
    from dmrnet.serve.limits import Limits
    from dmrnet.serve.model import ServedModel, load_model

__all__ = ["Limits", "ServedModel", "create_app", "load_model"]

_HOME = {
    "Limits": "dmrnet.serve.limits",
    "ServedModel": "dmrnet.serve.model",
    "create_app": "dmrnet.serve.app",
    "load_model": "dmrnet.serve.model",
}

__getattr__, __dir__ = lazy_names(__name__, _HOME)
