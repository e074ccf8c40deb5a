"""Tokens of modalities, and networks that read them under a mask."""
