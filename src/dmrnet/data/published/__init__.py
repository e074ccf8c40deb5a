"""Published data sets: checking their files and decoding them into a cache, once."""
