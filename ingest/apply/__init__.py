"""The way from stream entries to one atomic commit."""
