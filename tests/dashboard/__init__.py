"""The dashboard's files and its behaviour in a browser."""
