"""Evaluation in dense prediction, a class for every pixel: counts, label maps, windows."""
