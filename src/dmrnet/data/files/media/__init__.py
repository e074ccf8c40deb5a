"""Pictures, videos and sounds: decoding of files, and sounds as inputs of a model."""
