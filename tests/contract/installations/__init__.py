"""Promises about a whole installation: any order, recorded traffic, what Redis holds."""
