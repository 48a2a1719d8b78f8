"""Workers: their partitions, caches and ports."""
