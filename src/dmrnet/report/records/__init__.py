"""What run folders hold, read and checked: rows, predictions, published values."""
