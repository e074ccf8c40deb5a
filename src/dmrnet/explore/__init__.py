"""A page to play with a run: its samples drawn, modalities switched off and corrupted.

The page is part of the service of `dmrnet.serve`, and predicts through the same queue. Needs the
extra ``serve``. Names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmrnet.lazy import lazy_names

if TYPE_CHECKING:
    from dmrnet.explore.app import create_explorer
    from dmrnet.explore.corruptions import CORRUPTIONS, corrupt
    from dmrnet.explore.run import ExploredRun, open_explored

__all__ = ["CORRUPTIONS", "ExploredRun", "corrupt", "create_explorer", "open_explored"]

_HOME = {
    "CORRUPTIONS": "dmrnet.explore.corruptions",
    "ExploredRun": "dmrnet.explore.run",
    "corrupt": "dmrnet.explore.corruptions",
    "create_explorer": "dmrnet.explore.app",
    "open_explored": "dmrnet.explore.run",
}

__getattr__, __dir__ = lazy_names(__name__, _HOME)
