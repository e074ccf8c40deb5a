"""Reading arrays: numbers, layout, ends of sequences, labels, absence in disguise, bad rows."""
