"""The names, types and records of all that is stored."""
