"""Files: reading arrays, images, sounds and videos; writing arrays; caches of prepared data.

Nothing is exported here: data sets and `dmrnet data` read and write these files.
"""
