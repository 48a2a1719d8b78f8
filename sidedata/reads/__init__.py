"""The read path: commands that answer questions."""
