"""The folder of a run: its files, whether they belong together, and opening a finished run."""
