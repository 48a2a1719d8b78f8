"""Timestamps, slots, intervals and expiry."""
