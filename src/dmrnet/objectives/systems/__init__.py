"""Terms of single systems, in files named after the term; `dmrnet.methods` adds them."""
