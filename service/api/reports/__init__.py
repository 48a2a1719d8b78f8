"""Reports over time and of many workflows at once."""
