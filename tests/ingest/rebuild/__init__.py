"""Rebuilds."""
