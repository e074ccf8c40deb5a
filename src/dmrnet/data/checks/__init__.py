"""Descriptions of splits, and warnings: patterns of presence, overlap, shift."""
