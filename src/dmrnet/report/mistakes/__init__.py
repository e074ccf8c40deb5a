"""Mistakes of systems: counts of true by predicted classes, numbers next to the truth."""
