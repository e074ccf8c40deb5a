"""Data sets of published files, one file each; `dmrnet data prepare` makes what they read."""
