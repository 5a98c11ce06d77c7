"""Metrics: pure functions, and one declaration each."""
