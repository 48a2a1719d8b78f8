"""Bytes to events: decoding, timestamps, money, hashes. Pure."""
