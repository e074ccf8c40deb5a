"""Simple alternatives: classifiers of scikit-learn, on the same rows, scored alike.

They need the extra ``sklearn``. `PEERS` has their names:

- ``logistic-late``: a logistic regression for each modality; mean of the log-probabilities of the
  visible ones.
- ``forest-late``: the same with random forests of 300 trees.
- ``logistic-imputed``: a logistic regression on all modalities, with means in place of what is
  missing, trained on four copies of the training rows with random masks.
- ``boosting``: histogram gradient boosting on all modalities, with NaN in place of what is missing,
  trained on the training rows as they are.
- ``boosting-masked``: the same, trained on the four masked copies.

Where iMML is installed (the extra ``imml``), `IMML` names two of its classifiers as well, for
modalities that are vectors or are flattened to them: ``imml-muse`` (Wu et al., ICLR 2024) and
``imml-m3care`` (Zhang et al., KDD 2022).

The strength of a logistic regression's penalty is chosen on validation, by average accuracy over
combinations, and so is the number of iMML's epochs; the time for that counts. Everything else is
the libraries' default.
"""

from __future__ import annotations

PEERS = ("logistic-late", "forest-late", "logistic-imputed", "boosting", "boosting-masked")

IMML = ("imml-muse", "imml-m3care")

__all__ = ["IMML", "PEERS"]
