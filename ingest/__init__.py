"""Turns visitor events from the partition streams into the buckets of the store."""
