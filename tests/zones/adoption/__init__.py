"""Adoption of newer rules through the real pipeline: new days, old days, and readers meanwhile."""
