"""Search of settings on validation, before the runs of a study."""
