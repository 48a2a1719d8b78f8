"""Reads for the adoption of newer rules of time zones."""
