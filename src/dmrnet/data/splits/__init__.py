"""Splits of rows: seeded, stratified, by group, held out, and smaller versions of a data set."""
