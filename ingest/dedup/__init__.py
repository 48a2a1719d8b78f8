"""The deduplication of events by their ids."""
