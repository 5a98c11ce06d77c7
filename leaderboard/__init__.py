"""The static site: a folder of results in, a folder of HTML out."""
