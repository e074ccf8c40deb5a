"""Training of a run.

`trainer` is Lightning's trainer, `trainee` the method under it: its steps (`steps`, `optim`,
`average`), its epochs (`validation`, `selection`, `divergence`) and its `checkpoints`. `processes`
and `ranks` are for several processes, `prerequisite` trains a teacher first, `memory` speeds up
steps on a CPU.
"""
