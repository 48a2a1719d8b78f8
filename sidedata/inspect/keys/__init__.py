"""A key of Redis in words: `sidedata inspect key`."""
