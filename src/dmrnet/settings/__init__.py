"""Settings of a run, read from flags, YAML files and Python alike. Imports no torch, no Lightning.

`parse_run` and `read_config` return `RunSettings`; `dump` writes ``config.yaml``.
"""

from dmrnet.settings.config import RunSettings, dump, parse_data, parse_run, read_config
from dmrnet.settings.training import Training

__all__ = ["RunSettings", "Training", "dump", "parse_data", "parse_run", "read_config"]
