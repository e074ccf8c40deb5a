"""Analyses of a finished run, and the rows they leave."""
