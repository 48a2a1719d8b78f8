"""`sidedata rebuild`: counters of an organization from an archive."""
