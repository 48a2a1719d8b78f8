"""The figures of points: what a timeline is made of, and their cache."""
