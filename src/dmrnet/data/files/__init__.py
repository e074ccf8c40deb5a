"""Files: reading arrays, tables, images, sounds, videos; writing them; the cache."""
