"""Evaluation of volumes with a class for every voxel: sliding windows, Dice, HD95."""
