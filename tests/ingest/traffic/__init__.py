"""Simulated visitors."""
