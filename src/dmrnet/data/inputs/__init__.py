"""From stored rows to inputs of a model: standardising, missing cells, sequences, augmentation."""
