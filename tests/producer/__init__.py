"""The producer that programs import."""
