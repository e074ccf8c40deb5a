"""How fast dmrnet is: ``python -m benchmarks`` from the root of the repository.

In one process and one run, interleaved: this project, and a plain statement of how the released
code computes, with the same weights on the same batch; results are compared before they are timed.
"""
