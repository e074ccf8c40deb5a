"""Data sets that a run can be trained on: one file each, with settings and splits."""
