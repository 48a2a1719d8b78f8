"""Processes of an installation, and the terminals that they write to."""
