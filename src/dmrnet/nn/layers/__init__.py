"""Layers and tools that encoders, fusions and networks are made of."""
