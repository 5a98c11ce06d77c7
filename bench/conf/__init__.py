"""Hydra configuration groups of the command line."""
