"""Writes of buckets by the owner of their partition, beside its commits."""
