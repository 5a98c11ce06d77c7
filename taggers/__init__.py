"""Tagging models and query nets."""
