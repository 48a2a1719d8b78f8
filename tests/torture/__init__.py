"""Exactly once, proven by breaking it: real workers and a real Redis that die at seeded instants, and a producer that retries."""
