"""Analyses of a finished run, and their rows.

`analyse` makes the analyses that `names` can name and stores them: those of samples (`samples`:
`channel_distance` and `angles`) and those of what the run recorded (`records`).
"""
