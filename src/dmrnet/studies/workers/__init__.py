"""Worker processes that make the runs of a study, and the events they report."""
