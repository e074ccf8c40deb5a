"""Parts of single compared systems, in files named after them; `dmrnet.methods` builds them in."""
