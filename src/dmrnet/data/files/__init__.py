"""Files: reading arrays, images, sounds and videos; writing arrays; caches of prepared data.

`arrays` reads what arrays hold, `media` decodes pictures, sounds and videos. Nothing is exported
here: data sets and `dmrnet data` read and write these files.
"""
