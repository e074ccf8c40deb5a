"""Training of a run.

`trainer` is Lightning's trainer, `trainee` the method under it: its steps (`steps`, `optim`,
`average`), its epochs (`validation`, `selection`, `divergence`) and its `checkpoints`. `processes`
is about who started several of them and how they end, `prerequisite` trains a teacher first,
`memory` speeds up steps on a CPU.
"""
