"""CPU time and memory of ours against the peers that people use today: ``python -m tests.perf``."""
