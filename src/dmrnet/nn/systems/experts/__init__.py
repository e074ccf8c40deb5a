"""Whole networks, one for each modality or combination, and how their outputs are joined."""
