"""Data sets inside the package, one file each; their arrays are in `files/`."""
