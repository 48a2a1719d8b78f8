"""Redis servers and clusters of the tests, their users and certificates."""
