"""Purges, alone and against workers."""
