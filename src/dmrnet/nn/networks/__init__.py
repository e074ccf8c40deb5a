"""Families of networks (generic, SURF, OGM, ESANet), whole or around a method's own fusion."""
