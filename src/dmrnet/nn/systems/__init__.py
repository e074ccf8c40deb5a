"""Parts of single systems, in files named after them; `dmrnet.methods` builds them in.

`experts` has systems of whole networks, `tokens` systems that read tokens of modalities.
"""
