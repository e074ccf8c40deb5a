"""Layers and helpers that encoders, fusions and networks share."""
