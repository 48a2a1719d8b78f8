"""The compaction of old hours: no number changes, nothing is lost, and memory falls."""
