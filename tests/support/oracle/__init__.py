"""The contract by brute force, random worlds, and comparing answers."""
