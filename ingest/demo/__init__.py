"""Simulated visitors for `sidedata demo`."""
