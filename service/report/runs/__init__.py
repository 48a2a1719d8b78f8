"""Runs of buckets: cached fields, and what many of them make together."""
