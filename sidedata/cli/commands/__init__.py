"""The commands for operators: tokens, records, inspect, doctor."""
