"""Lua scripts, an operation each; every file opens with its KEYS, ARGV, reply and why it must be atomic."""
