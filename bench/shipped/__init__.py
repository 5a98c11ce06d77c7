"""Measures everything that is said of the models that come with stemtree: ``python -m bench.shipped --out DIR``."""
