"""Reads of keys by their names, whatever their content means."""
