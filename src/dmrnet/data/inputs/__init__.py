"""Stored rows become inputs of a model: standardising, missing cells, sequences, augmentation."""
