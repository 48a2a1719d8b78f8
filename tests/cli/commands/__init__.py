"""Commands that end: what they store, send, delete, print and refuse."""
