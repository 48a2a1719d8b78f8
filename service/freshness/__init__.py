"""The time as of which answers are complete: measured per partition, shared by all requests."""
