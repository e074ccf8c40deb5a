"""Analyses of features: angles between embeddings, and distances between channels."""
