"""Answers sidedata queries over HTTP from the buckets of the store."""
