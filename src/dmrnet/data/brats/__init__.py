"""Cases of BraTS: their files, how one is decoded, and lists of their names. Imports no torch."""
