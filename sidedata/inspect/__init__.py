"""Read-only views of an installation for operators."""
