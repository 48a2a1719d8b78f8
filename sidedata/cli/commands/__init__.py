"""Commands that belong to no process: tokens, records, inspect, doctor."""
