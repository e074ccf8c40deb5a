"""The Python interface: train, evaluate and predict without the command line.

Its names are those of `dmrnet` itself: `fit`, `open_run`, `Run`, `Scores`.
"""
