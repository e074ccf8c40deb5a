"""Estimates over seeds, intervals and tests, and numbers written for a reader."""
