"""Parts of single systems, in files named after them; `dmrnet.methods` builds them in."""
