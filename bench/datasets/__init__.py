"""Data sets in their published layouts, each a reader that yields scenes."""
