"""The deduplication: an id counts once, whatever happened to the filters of ids."""
