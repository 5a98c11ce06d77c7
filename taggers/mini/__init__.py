"""A small tagger that comes with its weights: what it is made of, its checkpoints, and the plug-in."""
