"""HyperLogLogs."""
