"""What systems get wrong: counts of true by predicted classes, numbers next to the truth."""
