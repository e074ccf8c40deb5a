"""Estimates from seeds and samples, and how numbers are written."""
