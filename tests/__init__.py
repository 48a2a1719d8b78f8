"""The proof: a real Redis, the real pipeline, and a brute-force oracle to hold the answers against."""
