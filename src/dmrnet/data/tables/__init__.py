"""Tables of samples: CSV or Parquet, with columns of numbers, of categories and of file names."""

from __future__ import annotations

from dmrnet.data.tables.encoding import Encoding, ModalityEncoding
from dmrnet.data.tables.source import TableSource, fit_source

__all__ = ["Encoding", "ModalityEncoding", "TableSource", "fit_source"]
