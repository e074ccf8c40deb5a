"""Published data sets: their files are checked and decoded once, into a cache.

One file per data set holds its decoder, `PREPARATION`; `prepare` runs one of them.
"""

from dmrnet.data.published.preparation import prepare

__all__ = ["prepare"]
