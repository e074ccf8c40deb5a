"""Scores of a run: which combinations, which lines, thresholds, confidence, operations."""
