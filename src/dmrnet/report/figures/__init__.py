"""Figures of a report, drawn with matplotlib as SVG and PNG."""
