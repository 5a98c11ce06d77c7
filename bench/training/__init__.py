"""Training of separators: clips, sampling, mixing, conditions, validation, checkpoints."""
