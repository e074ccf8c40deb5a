"""Terminal tables of one run: its scores, metrics of classes, worth of modalities, analyses."""
