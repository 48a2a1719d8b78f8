"""The worker process: its partitions, its probes and its maintenance."""
