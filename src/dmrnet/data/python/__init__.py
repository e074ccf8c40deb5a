"""Samples given in Python: arrays and tables held in memory, or data sets read one by one."""
