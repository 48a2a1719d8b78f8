"""Zones whose rules change: adoption, failures on the way, upgrades, and machines with other data."""
