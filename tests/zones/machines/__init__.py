"""Machines with other zone data: services, workers, and what they say of it."""
