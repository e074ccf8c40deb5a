"""What splits hold, and what is probably wrong with them: patterns of presence, overlap, shift."""
