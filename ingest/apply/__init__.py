"""From stream entries to one atomic commit."""
