"""What figures are drawn with: files, axes, marks of systems, histograms, heat maps."""
