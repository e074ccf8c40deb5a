"""Data sets that a run can be trained on: one file each, with its settings and splits.

`embedded` has those inside the package, `published` those made from published files; next to these
rooms are the user's own data.
A settings class inherits from `DataSettings` in `base.py` and has a line in the list in
`dmrnet.data.registry`.
"""
