"""Tests, and the comparison of speed in :mod:`tests.perf`."""
