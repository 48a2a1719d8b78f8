"""Sketches: HyperLogLogs as Redis stores them, read, merged and estimated outside of it."""
