"""Fuzzing: inputs made from good ones by seeded dice, and what must hold of whatever reads them.

`python -m tests.fuzz --inputs 1000000` is the long run; a short one is among the tests. What it finds becomes a test of its own.
"""
