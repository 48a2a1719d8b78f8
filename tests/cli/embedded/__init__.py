"""The embedded server: the choice of it, its files, and the commands that find it."""
