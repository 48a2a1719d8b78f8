"""Timelines: the points of an interval, their figures, and their encoding."""
