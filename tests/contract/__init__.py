"""The contract by hand and against the brute-force oracle."""
