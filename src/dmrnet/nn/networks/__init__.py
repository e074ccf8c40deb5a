"""Families of networks: the generic one, SURF, OGM and ESANet."""
