"""Read and check what run folders hold: rows, predictions, mining statistics, published values."""
