"""Adoptions that fail or are interrupted: kills, other commands, missing rights."""
