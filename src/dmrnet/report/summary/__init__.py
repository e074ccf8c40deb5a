"""Summarise the rows of one data set: systems, differences, ranks, notes, analyses."""
