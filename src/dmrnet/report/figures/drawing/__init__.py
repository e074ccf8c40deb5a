"""Tools for drawing figures: files, axes, marks of systems, histograms, heat maps."""
