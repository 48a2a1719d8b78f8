"""Commands that run: services, workers, process trees, and what they show of secrets."""
