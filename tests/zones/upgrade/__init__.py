"""Upgrades from a version without tables of offsets."""
