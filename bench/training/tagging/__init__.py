"""Training a small tagger on mixtures of weakly labelled clips, choosing its thresholds, and testing it."""
