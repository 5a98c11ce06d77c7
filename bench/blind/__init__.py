"""Blind scenes: mixtures of single sources placed by a frozen manifest, of which only the recording is given."""
