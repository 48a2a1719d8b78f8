"""The adoption of newer rules of time zones by the owner of a partition."""
