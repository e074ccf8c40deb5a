"""Training, evaluation and prediction of runs. The only place that imports Lightning."""
