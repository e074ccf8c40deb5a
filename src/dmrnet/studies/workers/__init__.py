"""Making the runs of a study: jobs, worker processes, and what they report."""
