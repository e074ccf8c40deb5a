"""What arrays hold: numbers, layout, ends of sequences, labels, absence in disguise, bad rows."""
