"""The write path: commands that change what is stored."""
