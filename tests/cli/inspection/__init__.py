"""The operators' views of an installation."""
