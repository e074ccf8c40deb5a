"""Data sets that a run can be trained on: one file each, with its settings and splits.

A settings class inherits from `DataSettings` in `base.py` and has a line in the list in
`dmrnet.data.registry`.
"""
