"""The ways by which tests send events."""
