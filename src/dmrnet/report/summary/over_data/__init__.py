"""Summaries over several data sets: the same systems on each, ranks, gains."""
