"""Training under Lightning: steps, optimizer, selection, checkpoints, processes, teachers."""
