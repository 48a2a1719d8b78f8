"""Runs of buckets: merged, or as far as they lie above another run."""
