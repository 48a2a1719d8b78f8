"""Visitors that never were, for `sidedata demo`."""
