"""Leases and fences: the right to write a partition."""
