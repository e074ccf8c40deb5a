"""Volumes with a class for every voxel: cases that are read lazily, patches, splits.

`options` holds settings and imports no torch.
"""
