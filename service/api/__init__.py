"""Routes, and a handler file for each resource."""
