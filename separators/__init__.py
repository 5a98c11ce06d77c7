"""Separator families, and what surrounds them."""
