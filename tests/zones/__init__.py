"""Adoption of newer rules of zones through the real pipeline."""
